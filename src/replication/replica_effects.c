/* A replica's effects: a ring of few, which the driver takes one by one. */
#include "replication/replica_private.h"

/* Those of most events need no message, by far the largest part: it is left as it is. */
static bool effect_has_message(enum replica_effect_type type)
{
	return type != REPLICA_APPEND && type != REPLICA_COMMIT && type != REPLICA_ALL;
}

struct replica_effect *replica_push(struct replica *rep, enum replica_effect_type type)
{
	struct replica_effect *effect;

	/* The one that was polled last keeps its place. */
	ASSERT(rep->effect_count < REPLICA_MAX_EFFECTS - 1);
	effect = &rep->effects[(rep->effect_head + rep->effect_count++) % REPLICA_MAX_EFFECTS];
	effect->type = type;
	effect->to = 0;
	effect->seq = 0;
	effect->entry = NULL;
	if (effect_has_message(type)) {
		effect->message = (struct message){ 0 };
		effect->state = (struct replica_promise){ 0 };
	}
	return effect;
}

const struct replica_effect *replica_poll(struct replica *rep)
{
	const struct replica_effect *effect = &rep->effects[rep->effect_head];

	if (rep->effect_count == 0)
		return NULL;
	rep->effect_head = (rep->effect_head + 1) % REPLICA_MAX_EFFECTS;
	rep->effect_count--;
	return effect;
}

struct message *replica_answer(struct replica *rep, enum message_type type)
{
	struct replica_effect *effect = replica_push(rep, REPLICA_SEND);

	effect->to = rep->to;
	effect->message.type = type;
	effect->message.epoch = rep->epoch;
	effect->message.session = rep->session;
	effect->message.attempt = rep->attempt;
	return &effect->message;
}
