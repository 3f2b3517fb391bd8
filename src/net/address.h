/*
 * Addresses of TCP in text, numeric only: nothing on a data-plane thread waits for a name server. Private to
 * net.
 */
#ifndef QUOIN_NET_ADDRESS_H
#define QUOIN_NET_ADDRESS_H

#include <sys/socket.h>

#include "net/net.h"

/* "127.0.0.1:7420" or "[::1]:7420". -EINVAL with words. */
int address_parse(const struct net_address *address, struct sockaddr_storage *ret_socket,
	socklen_t *ret_bytes, struct error *error) MUST_CHECK;
void address_format(const struct sockaddr_storage *socket, struct net_address *ret_address);

#endif
