/*
 * Membership: the kvdb's record (number, voters, next voters), a holder that changes it, others that take over at any
 * time, what is lost or late between all of them. What a log holds is a set here: log.pml has shown what a choice is
 * worth, this shows that quorums meet.
 *
 * Replicas are bits. VOTERS are the first voters; the others of REPLICAS have never heard of the group.
 * Each session has at most K entries: NEW_EPOCH, the membership entry or a write, a write. It begins where session 1 has been
 * promised by all voters and has chosen its log.
 */
#ifndef S
#define S 2
#endif
#ifndef VOTERS
#define VOTERS 7
#endif
#ifndef REPLICAS
#define REPLICAS 4
#endif
#ifndef K
#define K 2
#endif

#define BIT(r) (1 << (r))
#define COUNT(set) (((set) & 1) + (((set) >> 1) & 1) + (((set) >> 2) & 1) + (((set) >> 3) & 1))
#define MOST(of, set) (2 * COUNT((set) & (of)) > COUNT(of))
#define ENTRY(s, k) (1 << ((s) * K + (k)))

typedef Replica {
	byte promise;	/* and whom it serves: it takes frames of no other */
	byte position;	/* session * 4 + entries of it */
	short has;
	byte number;	/* replica: state.config_number */
};

typedef Session {
	byte stage;	/* 0 not attached, 1 opening, 2 has a log, 3 ended */
	byte voters, next, number;
	byte vote[REPLICAS]; /* OPEN_ANSWER: position + 1 */
	byte acked[REPLICAS];
	byte entries, commit;
	short has;
	byte ask;	/* compare-and-set on its way: the kind */
	byte told;	/* 1 done, 2 refused */
	byte target;	/* what it asks for */
	byte mark;	/* the membership entry */
	bit joined;
};
#define TO_JOINT 1
#define TO_NEXT 2
#define TO_OLD 3
#define DROP 4

Replica rep[REPLICAS];
Session ses[S + 1];
byte record_voters = VOTERS, record_next, record_number, holder;
short truth[S + 1]; /* what each session has committed */
hidden byte i;

#if REPLICAS == 4
#define SUM(f, s) (f(s, 0) | f(s, 1) | f(s, 2) | f(s, 3))
#define EACH(f, s) f(s, 0) f(s, 1) f(s, 2) f(s, 3)
#else
#define SUM(f, s) (f(s, 0) | f(s, 1) | f(s, 2))
#define EACH(f, s) f(s, 0) f(s, 1) f(s, 2)
#endif

/* From the sending of the first compare-and-set until the success of the last is read, a quorum of both lists. */
#ifdef NEXT_ALONE
#define QUORUM(s, set) (ses[s].next != 0 -> MOST(ses[s].next, set) : MOST(ses[s].voters, set))
#else
#define QUORUM(s, set) (MOST(ses[s].voters, set) && (ses[s].next == 0 || MOST(ses[s].next, set)))
#endif
#define ALL(s) (ses[s].voters | ses[s].next)

/* catalog/ops_attach.c: attach_step: compares the whole record, returns the configuration. */
#ifdef OPENER_IGNORES_NEXT
#define NEXT_OF_RECORD 0
#else
#define NEXT_OF_RECORD record_next
#endif
#define ATTACH(s)                                                                                      \
	:: d_step {                                                                                    \
		ses[s].stage == 0 && holder == s - 1 ->                                                \
		holder = s; ses[s].stage = 1; ses[s].voters = record_voters;                           \
		ses[s].next = NEXT_OF_RECORD; ses[s].joined = (record_next != 0);                      \
		ses[s].number = record_number;                                                         \
	}

/* replica_open.c: replica_recv_open ... replica_promise_written; CONFIG to who knows less. A learner is opened too. */
#ifdef NO_CONFIG
#define KNOWS_ENOUGH(s, r) true
#else
#define KNOWS_ENOUGH(s, r) (rep[r].number <= ses[s].number)
#endif
#define OPEN(s, r)                                                                                     \
	:: d_step {                                                                                    \
		(ses[s].stage == 1 || ses[s].stage == 2) && rep[r].promise < s && KNOWS_ENOUGH(s, r) -> \
		rep[r].promise = s;                                                                    \
		if :: rep[r].number < ses[s].number -> rep[r].number = ses[s].number :: else fi;       \
		if :: ses[s].stage == 1 && (ALL(s) & BIT(r)) != 0 -> ses[s].vote[r] = rep[r].position + 1 :: else fi; \
	}

/* coordinator_open.c: may_choose, coordinator_open_step. */
#define CHOOSE(s, b)                                                                                   \
	:: d_step {                                                                                    \
		ses[s].stage == 1 && ses[s].vote[b] != 0 && rep[b].promise == s && CHOICE(s, b) ->     \
		ses[s].stage = 2; ses[s].has = rep[b].has | ENTRY(s - 1, 0); ses[s].entries = 1;       \
		for (i : 0 .. REPLICAS - 1) { ses[s].vote[i] = 0 }                                     \
		for (i : 1 .. s - 1) { assert((truth[i] & ~ses[s].has) == 0) }                         \
		i = 0;                                                                                 \
	}
#define VOUCHES_FOR(s, b, r) (ses[s].vote[r] != 0 && ses[s].vote[r] <= ses[s].vote[b] -> BIT(r) : 0)
#if REPLICAS == 4
#define CHOICE(s, b) QUORUM(s, (VOUCHES_FOR(s, b, 0) | VOUCHES_FOR(s, b, 1) | VOUCHES_FOR(s, b, 2) | VOUCHES_FOR(s, b, 3)))
#else
#define CHOICE(s, b) QUORUM(s, (VOUCHES_FOR(s, b, 0) | VOUCHES_FOR(s, b, 1) | VOUCHES_FOR(s, b, 2)))
#endif

/* MATCH and APPEND: this log is the session's now. The membership entry tells the number. */
#define WRITE(s, r)                                                                                    \
	:: d_step {                                                                                    \
		ses[s].stage == 2 && rep[r].promise == s && ses[s].acked[r] < ses[s].entries ->        \
		rep[r].has = ses[s].has; rep[r].position = s * 4 + ses[s].entries;                     \
		ses[s].acked[r] = ses[s].entries;                                                      \
		if :: ses[s].mark != 0 -> rep[r].number = ses[s].number :: else fi;                    \
	}
#define APPEND(s)                                                                                      \
	:: d_step {                                                                                    \
		ses[s].stage == 2 && ses[s].commit != 0 && ses[s].commit == ses[s].entries && ses[s].entries < K -> \
		ses[s].has = ses[s].has | ENTRY(s - 1, ses[s].entries); ses[s].entries++;              \
	}

/* coordinator_append.c: durable_on, coordinator_commit_step. One writer: nobody older has leases of its quorum. */
#define HAS_ALL(s, r) (ses[s].acked[r] == ses[s].entries -> BIT(r) : 0)
#define GRANTS(s, r) (rep[r].promise == s -> BIT(r) : 0)
#define COMMIT(s)                                                                                      \
	:: d_step {                                                                                    \
		ses[s].stage == 2 && ses[s].commit < ses[s].entries && QUORUM(s, SUM(HAS_ALL, s)) ->   \
		ses[s].commit = ses[s].entries; truth[s] = ses[s].has;                                 \
		for (i : 1 .. S) {                                                                     \
			assert(i >= s || (truth[i] & ~ses[s].has) == 0);                               \
			assert(i <= s || ses[i].stage != 2 || (truth[s] & ~ses[i].has) == 0);          \
			assert(i >= s || ses[i].commit == 0 || ses[i].stage != 2 || !QUORUM(i, SUM(GRANTS, i))); \
		} i = 0;                                                                               \
	}

/* Changes. A learner is matched before it is asked for. */
#ifdef OLD_UNTIL_READ
#define FROM_SENDING(s, v)
#define FROM_READING(s) ses[s].next = ses[s].target;
#else
#define FROM_SENDING(s, v) ses[s].next = v;
#define FROM_READING(s)
#endif
#define CHANGE(s, r)                                                                                   \
	:: d_step {                                                                                    \
		ses[s].stage == 2 && ses[s].commit != 0 && ses[s].next == 0 && ses[s].ask == 0 &&      \
		ses[s].mark == 0 && ((ses[s].voters & BIT(r)) != 0 || ses[s].acked[r] == ses[s].entries) && \
		(ses[s].voters ^ BIT(r)) != 0 ->                                                       \
		ses[s].ask = TO_JOINT; ses[s].target = ses[s].voters ^ BIT(r);                         \
		FROM_SENDING(s, ses[s].target)                                                         \
	}
#ifdef LEAVE_EARLY
#define LEAVE(s) ses[s].voters = ses[s].next; ses[s].next = 0;
#else
#define LEAVE(s)
#endif
#define FINISH(s)                                                                                      \
	:: d_step {                                                                                    \
		ses[s].stage == 2 && ses[s].next != 0 && ses[s].ask == 0 && ses[s].joined &&           \
		(ses[s].mark != 0 -> ses[s].commit >= ses[s].mark : ses[s].commit != 0) ->             \
		ses[s].ask = TO_NEXT; ses[s].target = ses[s].next; LEAVE(s)                            \
	}                                                                                              \
	/* who opened a joint record may set it back */                                               \
	:: d_step {                                                                                    \
		ses[s].stage == 2 && ses[s].next != 0 && ses[s].ask == 0 && ses[s].joined &&           \
		ses[s].mark == 0 && ses[s].commit != 0 ->                                              \
		ses[s].ask = TO_OLD; ses[s].target = ses[s].voters;                                    \
	}
/* Two voters, one dead: the survivor has all that was acknowledged. */
#ifdef ALONE_BEFORE_READ
#define ALONE(s) ses[s].voters = ses[s].target;
#else
#define ALONE(s)
#endif
#define DROP_OTHER(s, r)                                                                               \
	:: d_step {                                                                                    \
		(ses[s].stage == 1 || ses[s].stage == 2) && ses[s].next == 0 && ses[s].ask == 0 &&     \
		ses[s].mark == 0 && COUNT(ses[s].voters) == 2 && (ses[s].voters & BIT(r)) != 0 && rep[r].promise == s -> \
		ses[s].ask = DROP; ses[s].target = BIT(r); ALONE(s)                                    \
	}

/* kvdb: the transaction compares epoch and number. It may come late, or never; so may its answer. */
#ifdef NO_COMPARE
#define IS_AS_SEEN(s) true
#else
#define IS_AS_SEEN(s) (holder == s && record_number == ses[s].number)
#endif
#define KVDB(s)                                                                                        \
	:: d_step {                                                                                    \
		ses[s].ask != 0 && ses[s].told == 0 ->                                                 \
		if                                                                                     \
		:: IS_AS_SEEN(s) ->                                                                    \
			if                                                                             \
			:: ses[s].ask == TO_JOINT -> record_next = ses[s].target                       \
			:: else -> record_voters = ses[s].target; record_next = 0                      \
			fi;                                                                            \
			record_number++; ses[s].told = 1                                               \
		:: else -> ses[s].told = 2                                                             \
		fi;                                                                                    \
	}
/* Its answer is read. A holder that was refused looks, and finds another's name. A survivor persists the number first. */
#define PERSISTED(s)                                                                                   \
	(ses[s].ask != DROP || (rep[0].promise == s && ses[s].target == 1) ||                          \
		(rep[1].promise == s && ses[s].target == 2) || (rep[2].promise == s && ses[s].target == 4))
#define READ_ANSWER(s)                                                                                 \
	:: d_step {                                                                                    \
		ses[s].told == 2 -> ses[s].stage = 3; ses[s].ask = 0; ses[s].told = 0;                 \
	}                                                                                              \
	:: d_step {                                                                                    \
		ses[s].told == 1 && PERSISTED(s) && (ses[s].ask != TO_JOINT || ses[s].entries < K) ->  \
		ses[s].number++;                                                                       \
		if                                                                                     \
		:: ses[s].ask == TO_JOINT ->                                                           \
			FROM_READING(s)                                                                \
			ses[s].has = ses[s].has | ENTRY(s - 1, ses[s].entries); ses[s].entries++;      \
			ses[s].mark = ses[s].entries; ses[s].joined = 1                                \
		:: else -> ses[s].voters = ses[s].target; ses[s].next = 0; ses[s].joined = 0;          \
			for (i : 0 .. REPLICAS - 1) {                                                  \
				if :: ses[s].ask == DROP && ses[s].target == BIT(i) -> rep[i].number = ses[s].number :: else fi \
			} i = 0                                                                        \
		fi;                                                                                    \
		ses[s].ask = 0; ses[s].told = 0; ses[s].target = 0;                                    \
	}

#define OF_BOTH(s, r) OPEN(s, r) CHOOSE(s, r) WRITE(s, r) CHANGE(s, r) DROP_OTHER(s, r)
#define OF_SESSION(s) ATTACH(s) EACH(OF_BOTH, s) APPEND(s) COMMIT(s) FINISH(s) KVDB(s) READ_ANSWER(s)

active proctype group()
{
	d_step {
		holder = 1; ses[1].stage = 2; ses[1].voters = VOTERS; ses[1].entries = 1; ses[1].has = ENTRY(0, 0);
		for (i : 0 .. REPLICAS - 1) { if :: (VOTERS & BIT(i)) != 0 -> rep[i].promise = 1 :: else fi } i = 0;
	}
end:
	do
	OF_SESSION(1)
	OF_SESSION(2)
#if S > 2
	OF_SESSION(3)
#endif
	od
}
