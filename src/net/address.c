#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static int port_parse(const char *text, uint16_t *ret_port)
{
	uint32_t port = 0;
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 5 || text[digits] != '\0')
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		port = port * 10 + (uint32_t)(text[i] - '0');
	if (port > UINT16_MAX)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

int address_parse(const struct net_address *address, struct sockaddr_storage *ret_socket,
	socklen_t *ret_bytes, struct error *error)
{
	char host[NET_ADDRESS_MAX];
	const char *colon;
	size_t host_bytes;
	bool bracketed;
	uint16_t port;
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (strnlen(address->text, sizeof(address->text)) == sizeof(address->text))
		return error_set(error, -EINVAL, "an address has at most %d characters", NET_ADDRESS_MAX - 1);
	colon = strrchr(address->text, ':');
	if (!colon || port_parse(colon + 1, &port) < 0)
		return error_set(error, -EINVAL,
			"address \"%s\": a port (0 to 65535) behind the last colon is missing, as in "
			"127.0.0.1:7420",
			address->text);
	host_bytes = (size_t)(colon - address->text);
	bracketed = host_bytes >= 2 && address->text[0] == '[' && colon[-1] == ']';
	memcpy(host, address->text + (bracketed ? 1 : 0), host_bytes);
	host[host_bytes - (bracketed ? 2 : 0)] = '\0';
	if (!bracketed && inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
		v4.sin_port = htons(port);
		memcpy(ret_socket, &v4, sizeof(v4));
		*ret_bytes = sizeof(v4);
		return 0;
	}
	if (bracketed && inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
		v6.sin6_port = htons(port);
		memcpy(ret_socket, &v6, sizeof(v6));
		*ret_bytes = sizeof(v6);
		return 0;
	}
	return error_set(error, -EINVAL,
		"address \"%s\": \"%s\" is not a numeric IP address (IPv6 in brackets, no names)",
		address->text, host);
}

void address_format(const struct sockaddr_storage *socket, struct net_address *ret_address)
{
	char host[INET6_ADDRSTRLEN] = "?";
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (socket->ss_family == AF_INET6) {
		memcpy(&v6, socket, sizeof(v6));
		(void)inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof(host));
		(void)snprintf(
			ret_address->text, sizeof(ret_address->text), "[%s]:%u", host, ntohs(v6.sin6_port));
	} else {
		memcpy(&v4, socket, sizeof(v4));
		(void)inet_ntop(AF_INET, &v4.sin_addr, host, sizeof(host));
		(void)snprintf(
			ret_address->text, sizeof(ret_address->text), "%s:%u", host, ntohs(v4.sin_port));
	}
}
