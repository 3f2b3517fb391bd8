/* Reads that the coordinator has given to a voter: the local one through the store, a remote one by message.
 */
#include "datapath/private.h"

#include <errno.h>
#include <string.h>

static void read_over(struct volume *volume, struct op *op, int rc)
{
	op->voter = -1;
	coordinator_read_done(volume->coordinator, &op->operation, rc, datapath_now_ns(volume->datapath));
	volume_mark(volume);
}

/* ---- local ---- */

static void local_done(struct pool_read *read, int rc)
{
	struct op *op = container_of(read, struct op, read);
	struct request *request = op->request;
	struct volume *volume = request->volume;

	op->reading = false;
	op->left = read->left;
	buf_put(read->into);
	if (op->answered) { /* the volume has ended meanwhile */
		int answer = op->rc;

		op_put(op);
		request_finish(volume, request, answer);
		return;
	}
	if (rc == 0)
		request->data->len_bytes = (uint32_t)request->length_bytes;
	read_over(volume, op, rc);
}

static void local_start(struct volume *volume, struct op *op, uint64_t read_seq)
{
	struct voter *voter = &volume->voters[op->voter];
	struct request *request = op->request;
	int rc = -ENOTCONN;

	if (voter->host) {
		rc = replica_may_read(
			voter->host->machine, volume->spec.epoch, volume->spec.session, read_seq);
		host_poll(voter->host); /* what the read may see is told to the store first */
	}
	if (rc == 0 && !op_data_is_own(op))
		rc = -EAGAIN;
	if (rc != 0) {
		read_over(volume, op, rc);
		return;
	}
	op->reading = true;
	op->read = (struct pool_read){
		.fn = local_done,
		.replica = voter->host->store,
		.offset_bytes = request->offset_bytes,
		.length_bytes = (uint32_t)request->length_bytes,
		.into = buf_ref(request->data),
	};
	pool_read(&op->read);
}

/* ---- remote ---- */

static void remote_start(struct volume *volume, struct op *op, const struct coordinator_effect *effect)
{
	struct message message = effect->message;
	int rc;

	op->generation++; /* each asking has its own token */
	message.token = op_token(op);
	rc = peer_send(&volume->voters[effect->voter], &message);
	if (rc != 0) {
		op->voter = -1;
		coordinator_refused(volume->coordinator, effect);
		return;
	}
	volume->remote_reads++;
}

void volume_read_start(struct volume *volume, const struct coordinator_effect *effect)
{
	struct op *op = container_of(effect->operation, struct op, operation);

	ASSERT(!op->reading);
	op->voter = effect->voter;
	if (volume->voters[effect->voter].link)
		local_start(volume, op, effect->read_seq);
	else
		remote_start(volume, op, effect);
}

void volume_read_answer(struct voter *voter, const struct message *message)
{
	struct volume *volume = voter->volume;
	uint32_t index = (uint32_t)message->token;
	struct op *op = index < DATAPATH_MAX_OPS ? &volume->datapath->ops[index] : NULL;
	struct request *request = op ? op->request : NULL;

	if (!request || op_token(op) != message->token || request->volume != volume ||
		op->voter != (int)voter->index)
		return; /* asked of another since, or answered */
	if (message->rc == 0 && !op_data_is_own(op)) {
		read_over(volume, op, -EAGAIN);
		return;
	}
	if (message->rc == 0) {
		if (message->payload->len_bytes != request->length_bytes) {
			read_over(volume, op, -EIO);
			return;
		}
		memcpy(request->data->data, message->payload->data, request->length_bytes);
		request->data->len_bytes = (uint32_t)request->length_bytes;
	}
	read_over(volume, op, message->rc);
}
