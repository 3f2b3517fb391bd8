/*
 * Open, choice of a log, match, truncation, append, commit: three voters, S sessions, logs of at most L entries.
 * With three sessions also whether a device that lived on may go on; with -DSYNC what an incomplete replica's vote
 * (`since`) is worth; with -DCUT a lost end of a log. What is shown: what is committed is in every log that is chosen later, at its place.
 *
 * A session that takes no further step has died, or its frames are on their way for ever: nothing here says when a
 * step is taken. Frames of one connection come in order and answers are cumulative, so neither needs a channel: a
 * replica takes the next entry from the session's log whenever it likes, and an answer is what `acked` says.
 *
 * Sessions are numbered in the order of their epochs. An entry is the number of the session that it was born
 * in (and 8, in a mutant, for other content under the same name). Positions compare as epoch * 8 + length.
 */
#ifndef S
#define S 3
#endif
#ifndef L
#define L 3
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#define Q 2
/* Without crashes it makes no difference when a promise or an entry becomes durable: between the two steps a replica
 * answers nothing, and what it has answered a session may count as late as it likes. */
#if CRASHES == 0 && !defined(ACK_AFTER_PROMISE)
#define AT_ONCE
#endif

#define SESSION(e) ((e) & 7)
#ifdef SAME_EPOCH /* sessions 2 and 3 were both given epoch 2: a restored kvdb, an agent that counted wrongly */
#define EPOCH(e) (SESSION(e) == 3 -> 2 : SESSION(e))
#else
#define EPOCH(e) SESSION(e)
#endif

typedef Replica {
	byte log[L];
	byte last, durable; /* replica: last_seq, durable_seq */
	byte promise;	    /* on disk */
	byte promising;	    /* replica: promising, on its way to the disk */
	byte serves;	    /* replica: session, while accepting */
	bit matched;
#ifdef ACK_AFTER_PROMISE
	byte before;
#endif
#ifdef SYNC
	bit incomplete;
	byte since;
#endif
};

typedef Session {
	byte log[L];
	byte last;
	byte new_epoch;	 /* coordinator: new_epoch_seq; 0: OPENING */
	byte commit;
	byte answer[3];	 /* OPEN_ANSWER: what this voter's vote stands for, + 1; 0: none */
	byte acked[3];	 /* coordinator: voter.durable_seq of a STREAMING voter */
	bit final;	 /* coordinator: choice_is_final */
	bit again;	 /* has chosen before */
#ifdef SYNC
	bit hollow[3];	 /* OPEN_ANSWER: incomplete */
#endif
#ifdef CUT
	bit streams[3];	 /* coordinator: voter.stage was STREAMING, in this session */
#endif
};

Replica rep[3];
Session ses[S + 1];
byte history[L], committed; /* what was ever committed: the truth */
byte crashes;
#if S > 2
bit resumed;
#endif
hidden byte i, j, n, keep;

#define POSITION(r) (rep[r].last == 0 -> 0 : EPOCH(rep[r].log[rep[r].last - 1]) * 8 + rep[r].last)

/* replica_open.c: may_promise */
#ifdef EQUAL_EPOCH
#define MAY_PROMISE(s, r) (EPOCH(s) >= EPOCH(rep[r].promise))
#else
#define MAY_PROMISE(s, r) (EPOCH(s) > EPOCH(rep[r].promise) || rep[r].promise == s)
#endif

/* replica_open.c: replica_recv_open, step 3 of replica_open_step. (Waiting for leases: lease.pml.) */
#define OPEN(s, r)                                                                                     \
	:: d_step {                                                                                    \
		rep[r].promising == 0 && rep[r].serves != s && MAY_PROMISE(s, r) ->                    \
		BEFORE(r)                                                                              \
		rep[r].promising = s; rep[r].serves = 0; rep[r].matched = 0;                           \
		PROMISE_NOW(r)                                                                         \
	}
#ifdef ACK_AFTER_PROMISE
#define BEFORE(r) rep[r].before = (rep[r].matched -> rep[r].serves : 0);
#else
#define BEFORE(r)
#endif

/* replica_open.c: replica_promise_written: the promise stands behind all accepted entries. */
#ifdef ACK_AFTER_PROMISE
#define DURABLE_WITH_PROMISE(r)
#define VOTE(r) (rep[r].durable == 0 -> 0 : EPOCH(rep[r].log[rep[r].durable - 1]) * 8 + rep[r].durable)
#else
#define DURABLE_WITH_PROMISE(r) rep[r].durable = rep[r].last;
#ifdef SYNC
#define VOTE(r) (rep[r].incomplete -> rep[r].since : POSITION(r))
#else
#define VOTE(r) POSITION(r)
#endif
#endif
#ifdef SYNC
#define SAY_INCOMPLETE(n, r) ses[n].hollow[r] = rep[r].incomplete;
#else
#define SAY_INCOMPLETE(n, r)
#endif
#ifdef COUNT_UNMATCHED
#define COUNT_AT_ONCE(n, r) :: else -> ses[n].acked[r] = rep[r].durable
#else
#define COUNT_AT_ONCE(n, r) :: else
#endif
#define PROMISE_IS_DURABLE(r)                                                                          \
		n = rep[r].promising;                                                                  \
		rep[r].promise = n; rep[r].serves = n; rep[r].promising = 0;                           \
		DURABLE_WITH_PROMISE(r)                                                                \
		if                                                                                     \
		:: ses[n].new_epoch == 0 -> ses[n].answer[r] = VOTE(r) + 1; SAY_INCOMPLETE(n, r)       \
		COUNT_AT_ONCE(n, r)                                                                    \
		fi; n = 0;
#ifdef AT_ONCE
#define PROMISE_NOW(r) PROMISE_IS_DURABLE(r)
#define PROMISED(r)
#else
#define PROMISE_NOW(r)
#define PROMISED(r) :: d_step { rep[r].promising != 0 -> PROMISE_IS_DURABLE(r) }
#endif

#ifdef CUT
#define STREAMS(s, r, is) ses[s].streams[r] = is;
#else
#define STREAMS(s, r, is)
#endif

/* coordinator_open.c: greatest_complete, may_choose, coordinator_open_step, append_new_epoch. Any quorum in which b
 * is the greatest will do: later answers need not have been in hand when the choice was made. */
#ifdef SYNC
#ifdef CHOOSE_INCOMPLETE
#define IS_COMPLETE(s, b) true
#else
#define IS_COMPLETE(s, b) (!ses[s].hollow[b])
#endif
#else
#define IS_COMPLETE(s, b) true
#endif
#ifdef CHOOSE_ANY
#define VOUCHES(s, b, r) (ses[s].answer[r] != 0)
#else
#define VOUCHES(s, b, r) (ses[s].answer[r] != 0 && ses[s].answer[r] <= ses[s].answer[b])
#endif
#ifdef KEEP_NEW_EPOCH /* chosen again, but the seq of the first choice's NEW_EPOCH still stands, and no other is appended */
#define APPEND_NEW_EPOCH(s)                                                                            \
	if :: ses[s].again -> ses[s].new_epoch = 1                                                     \
	:: else -> ses[s].log[ses[s].last] = s; ses[s].last++; ses[s].new_epoch = ses[s].last fi;
#else
#define APPEND_NEW_EPOCH(s) ses[s].log[ses[s].last] = s + CONTENT(s); ses[s].last++; ses[s].new_epoch = ses[s].last;
#endif
#ifdef CHOOSE_TWICE
#define CONTENT(s) (ses[s].again -> 8 : 0)
#else
#define CONTENT(s) 0
#endif
#define CHOOSE(s, b)                                                                                   \
	:: d_step {                                                                                    \
		ses[s].new_epoch == 0 && ses[s].answer[b] != 0 && rep[b].serves == s &&                \
		IS_COMPLETE(s, b) && rep[b].last < L &&                                                \
		VOUCHES(s, b, 0) + VOUCHES(s, b, 1) + VOUCHES(s, b, 2) >= Q ->                         \
		ses[s].last = rep[b].last;                                                             \
		for (i : 0 .. L - 1) { ses[s].log[i] = (i < rep[b].last -> rep[b].log[i] : 0) }        \
		for (i : 0 .. 2) { ses[s].answer[i] = 0; }                                             \
		RESUMES(s)                                                                             \
		APPEND_NEW_EPOCH(s)                                                                    \
		rep[b].matched = 1; ses[s].acked[b] = rep[b].durable; i = 0; STREAMS(s, b, 1)                          \
	}

/* Sessions 1 and 3 are of one device, 2 is another's. Nothing of that device's cache may follow what
 * another wrote: it goes on only if the log has no NEW_EPOCH of another. */
#if S > 2
#ifdef RESUME_FOREIGN
#define RESUMES(s) if :: s == 3 -> resumed = 1 :: else fi;
#else
#define RESUMES(s)                                                                                     \
	if :: s == 3 -> resumed = 1;                                                                   \
		for (i : 0 .. L - 1) { if :: ses[s].log[i] == 2 -> resumed = 0 :: else fi }            \
	:: else fi;
#endif
#else
#define RESUMES(s)
#endif

/* coordinator.c: coordinator_voter_down: before an entry was sent another log may be chosen, from positions asked
 * anew. (`final` is set when the entry is taken: one that is under way belongs to an attempt that has ended.) */
#ifdef CHOOSE_TWICE
#define NOT_FINAL(s) true
#else
#define NOT_FINAL(s) (!ses[s].final)
#endif
#define CHOOSE_AGAIN(s)                                                                                \
	:: d_step {                                                                                    \
		ses[s].new_epoch != 0 && ses[s].commit == 0 && NOT_FINAL(s) && !ses[s].again ->        \
		ses[s].new_epoch = 0; ses[s].last = 0; ses[s].again = 1;                               \
		for (i : 0 .. L - 1) { ses[s].log[i] = 0; }                                            \
		for (i : 0 .. 2) {                                                                     \
			ses[s].acked[i] = 0; STREAMS(s, i, 0)                                          \
			if :: rep[i].serves == s -> rep[i].serves = 0; rep[i].matched = 0 :: else fi;  \
		} i = 0;                                                                               \
	}

/* epochs.c: epochs_parting: the newest epoch that both have, to the shorter one's end of it. */
#ifdef PART_BY_SEQ
#define PARTING(s, r) keep = (ses[s].last < rep[r].last -> ses[s].last : rep[r].last);
#else
#define PARTING(s, r)                                                                                  \
	keep = 0;                                                                                      \
	for (i : 1 .. ses[s].last) {                                                                   \
		for (j : 1 .. rep[r].last) {                                                           \
			if :: EPOCH(ses[s].log[i - 1]) == EPOCH(rep[r].log[j - 1]) ->                  \
				keep = (i < j -> i : j)                                                \
			:: else fi;                                                                    \
		}                                                                                      \
	}
#endif
#ifdef SYNC
#define IS_WHOLE(r) (!rep[r].incomplete)
#else
#define IS_WHOLE(r) true
#endif
/* coordinator_open.c: voter_match; replica_append.c: replica_recv_match, replica_truncated. */
#define MATCH(s, r)                                                                                    \
	:: d_step {                                                                                    \
		ses[s].new_epoch != 0 && rep[r].serves == s && !rep[r].matched && IS_WHOLE(r) ->       \
		PARTING(s, r)                                                                          \
		for (i : 0 .. L - 1) {                                                                 \
			/* a committed entry is never truncated */                                     \
			assert(i < keep || i >= committed || i >= rep[r].last ||                       \
				rep[r].log[i] != history[i]);                                          \
			if :: i >= keep -> rep[r].log[i] = 0 :: else fi;                               \
		}                                                                                      \
		rep[r].last = keep; rep[r].durable = keep; rep[r].matched = 1;                         \
		ses[s].acked[r] = keep; i = 0; j = 0; keep = 0; STREAMS(s, r, 1)                                        \
	}

/* coordinator_append.c: coordinator_next_entry; replica_append.c: take_entry. The birth (epoch, seq) stays. */
#ifdef RESTAMP
#define BORN(s, r) (rep[r].last + 1 < ses[s].new_epoch -> s : ses[s].log[rep[r].last])
#else
#define BORN(s, r) ses[s].log[rep[r].last]
#endif
#define TAKE(s, r)                                                                                     \
	:: d_step {                                                                                    \
		ses[s].new_epoch != 0 && rep[r].serves == s && rep[r].matched &&                       \
		rep[r].last < ses[s].last ->                                                           \
		rep[r].log[rep[r].last] = BORN(s, r); rep[r].last++; ses[s].final = 1;                 \
		DURABLE_NOW(r)                                                                         \
	}

/* replica_append.c: replica_durable, replica_acknowledge; coordinator_append.c: coordinator_recv_append_answer. */
#ifdef SYNC
#define COUNTS(r) (rep[r].matched && !rep[r].incomplete)
#else
#define COUNTS(r) rep[r].matched
#endif
#ifdef ACK_AFTER_PROMISE
#define ACK_OLD(r) :: rep[r].before != 0 -> ses[rep[r].before].acked[r] = rep[r].durable
#else
#define ACK_OLD(r)
#endif
#define ENTRY_IS_DURABLE(r)                                                                            \
		rep[r].durable++;                                                                      \
		if :: rep[r].serves != 0 && COUNTS(r) -> ses[rep[r].serves].acked[r] = rep[r].durable  \
		ACK_OLD(r)                                                                             \
		:: else fi;
#ifdef AT_ONCE
#define DURABLE_NOW(r) ENTRY_IS_DURABLE(r)
#define DURABLE(r)
#else
#define DURABLE_NOW(r)
#define DURABLE(r) :: d_step { rep[r].durable < rep[r].last -> ENTRY_IS_DURABLE(r) }
#endif

/* coordinator.c: coordinator_submit; coordinator_append.c: coordinator_admit, once NEW_EPOCH is committed. */
#define APPEND(s)                                                                                      \
	:: d_step {                                                                                    \
		ses[s].commit != 0 && ses[s].last < L ->                                               \
		ses[s].log[ses[s].last] = s; ses[s].last++;                                            \
	}

/* coordinator_append.c: durable_on, coordinator_commit_step. An older epoch's entry never commits by itself. */
#ifdef COMMIT_OLD_EPOCH
#define FIRST(s) 1
#else
#define FIRST(s) ses[s].new_epoch
#endif
#ifdef QUORUM_OF_ONE
#define HAVE(s, n) ((ses[s].acked[0] >= n) + (ses[s].acked[1] >= n) + (ses[s].acked[2] >= n) >= 1)
#else
#define HAVE(s, n) ((ses[s].acked[0] >= n) + (ses[s].acked[1] >= n) + (ses[s].acked[2] >= n) >= Q)
#endif
#define COMMIT(s)                                                                                      \
	:: d_step {                                                                                    \
		ses[s].new_epoch != 0 && ses[s].commit < ses[s].last &&                                \
		HAVE(s, (ses[s].commit + 1 > FIRST(s) -> ses[s].commit + 1 : FIRST(s))) ->             \
		for (n : 1 .. ses[s].last) { if :: n >= FIRST(s) && HAVE(s, n) -> ses[s].commit = n :: else fi } \
		for (i : 0 .. ses[s].commit - 1) {                                                     \
			if :: i < committed -> assert(history[i] == ses[s].log[i])                     \
			:: else -> history[i] = ses[s].log[i]; committed = i + 1 fi;                   \
			/* who has chosen later has it too */                                          \
			for (j : s + 1 .. S) {                                                         \
				assert(ses[j].new_epoch == 0 || ses[j].last > i && ses[j].log[i] == history[i]); \
			}                                                                              \
			NOT_BEHIND_ANOTHER(i)                                                          \
		} i = 0; j = 0; n = 0;                                                                 \
	}
#if S > 2
#define NOT_BEHIND_ANOTHER(i) assert(!(resumed && ses[3].commit != 0 && history[i] == 2));
#else
#define NOT_BEHIND_ANOTHER(i)
#endif

/* replica_append.c: replica_raise_commit: what it would take as committed, and apply, is committed. */
#ifdef COMMIT_BEYOND_MATCHED
#define KNOWS_LOG(r) true
#else
#define KNOWS_LOG(r) rep[r].matched
#endif
#define APPLY(s, r)                                                                                    \
	:: d_step {                                                                                    \
		rep[r].serves == s && KNOWS_LOG(r) && ses[s].commit != 0 ->                            \
		for (i : 0 .. L - 1) {                                                                 \
			assert(i >= ses[s].commit || i >= rep[r].durable || rep[r].log[i] == history[i]); \
		} i = 0;                                                                               \
	}

/* store: what was not durable is gone; replica.c: replica_new. Matched is volatile. */
#ifdef FORGET_PROMISE
#define FORGET(r) rep[r].promise = 0;
#else
#define FORGET(r)
#endif
#define CRASH(r)                                                                                       \
	:: d_step {                                                                                    \
		crashes < CRASHES -> crashes++;                                                        \
		for (i : 0 .. L - 1) { if :: i >= rep[r].durable -> rep[r].log[i] = 0 :: else fi }     \
		rep[r].last = rep[r].durable; rep[r].promising = 0; rep[r].serves = 0;                 \
		rep[r].matched = 0; FORGET(r) i = 0;                                                   \
	}

#ifdef SYNC
#define AT(s, n) (n == 0 -> 0 : EPOCH(ses[s].log[n - 1]) * 8 + n)
#define IS_AHEAD(s, j, r) (j != r && ses[s].acked[j] >= ses[s].new_epoch && AT(s, ses[s].acked[j]) >= POSITION(r))
/* coordinator_sync.c: is_permitted. Without FALLBACK only the first of its two cases: it isn't needed for the quorum. */
#ifdef SYNC_EARLY
#define PERMITTED(s, r) (ses[s].commit != 0)
#else
#ifdef FALLBACK
#define PERMITTED(s, r) ses[s].final
#else
#define PERMITTED(s, r) (ses[s].commit != 0 && IS_AHEAD(s, 0, r) + IS_AHEAD(s, 1, r) + IS_AHEAD(s, 2, r) >= Q)
#endif
#endif
/* With one voter gone, the other two can be opened: a complete one reaches the other's vote. */
#define CAN_OPEN(a, b)                                                                                 \
	((!rep[a].incomplete && (rep[b].incomplete -> rep[b].since : 0) <= POSITION(a)) ||             \
	 (!rep[b].incomplete && (rep[a].incomplete -> rep[a].since : 0) <= POSITION(b)))
#ifdef FALLBACK
#define ONE_FAULT_IS_BORNE
#else
#define ONE_FAULT_IS_BORNE assert(CAN_OPEN(0, 1) && CAN_OPEN(0, 2) && CAN_OPEN(1, 2));
#endif
#ifdef SINCE_FORGOTTEN
#define SINCE(r) POSITION(r)
#else
#define SINCE(r) (rep[r].incomplete -> rep[r].since : POSITION(r))
#endif
/* replica_sync.c: replica_recv_sync_start, replica_log_reset_done: the log begins anew behind what is committed. */
#define SYNC_START(s, r)                                                                               \
	:: d_step {                                                                                    \
		ses[s].new_epoch != 0 && rep[r].serves == s && PERMITTED(s, r) &&                      \
		!(rep[r].incomplete && rep[r].matched) ->                                              \
		rep[r].since = SINCE(r); rep[r].incomplete = 1; rep[r].matched = 1;                    \
		for (i : 0 .. L - 1) { rep[r].log[i] = (i < ses[s].commit -> ses[s].log[i] : 0) }      \
		rep[r].last = ses[s].commit; rep[r].durable = rep[r].last; ses[s].acked[r] = 0; i = 0; \
		STREAMS(s, r, 0)                                                                       \
		ONE_FAULT_IS_BORNE                                                                     \
	}
/* replica_sync.c: replica_sync_finish_step: "complete" only at or above `since`. */
#ifdef COMPLETE_WITHOUT_SINCE
#define REACHED(r) true
#else
#define REACHED(r) (rep[r].durable == rep[r].last && POSITION(r) >= rep[r].since)
#endif
#define SYNC_FINISH(s, r)                                                                              \
	:: d_step {                                                                                    \
		rep[r].serves == s && rep[r].matched && rep[r].incomplete && REACHED(r) ->             \
		rep[r].incomplete = 0; rep[r].since = 0; ses[s].acked[r] = rep[r].durable;             \
		STREAMS(s, r, 1)                                                                       \
	}
#else
#define SYNC_START(s, r)
#define SYNC_FINISH(s, r)
#endif

#ifdef CUT
#ifndef AT
#define AT(s, n) (n == 0 -> 0 : EPOCH(ses[s].log[n - 1]) * 8 + n)
#endif
/* coordinator_cut.c: never_acknowledged. Of a streaming voter by what the coordinator was told: it may have promised
 * another session since. */
#ifdef SYNC
#ifdef CUT_ABOVE_SINCE
#define BELOW_SINCE(s, j, n) true
#else
#define BELOW_SINCE(s, j, n) (rep[j].since < AT(s, n))
#endif
#define HOLLOW_AND_LOW(s, j, n) (rep[j].serves == s && rep[j].incomplete && BELOW_SINCE(s, j, n))
#else
#define HOLLOW_AND_LOW(s, j, n) false
#endif
#define NEVER(s, j, n) (ses[s].streams[j] && ses[s].acked[j] < n || HOLLOW_AND_LOW(s, j, n))
#ifdef CUT_UNPROVEN
#define CERTAIN(s, n) true
#else
#define CERTAIN(s, n) (NEVER(s, 0, n) + NEVER(s, 1, n) + NEVER(s, 2, n) >= Q)
#endif
/* coordinator_cut_wanted, coordinator_cut_match: an adopted entry that its owner can't give is truncated there. Any may
 * be such a one, at any time. Others go on taking it: from another who has it. */
#define CUT_AT(s, r, n)                                                                                \
	:: d_step {                                                                                    \
		n < ses[s].new_epoch && ses[s].commit == 0 && ses[s].final && rep[r].serves == s &&    \
		rep[r].matched && IS_WHOLE(r) && rep[r].durable == rep[r].last && rep[r].last >= n &&  \
		CERTAIN(s, n) ->                                                                       \
		for (i : n - 1 .. L - 1) {                                                             \
			assert(i >= committed || i >= rep[r].last || rep[r].log[i] != history[i]);     \
			rep[r].log[i] = 0;                                                             \
		}                                                                                      \
		rep[r].last = n - 1; rep[r].durable = n - 1; ses[s].acked[r] = n - 1; i = 0;           \
	}
#if L > 2
#define CUTS(s, r) CUT_AT(s, r, 1) CUT_AT(s, r, 2)
#else
#define CUTS(s, r) CUT_AT(s, r, 1)
#endif
#else
#define CUTS(s, r)
#endif

#define OF_BOTH(s, r)                                                                                  \
	OPEN(s, r) CHOOSE(s, r) MATCH(s, r) TAKE(s, r) APPLY(s, r) SYNC_START(s, r) SYNC_FINISH(s, r)     \
	CUTS(s, r)
#define OF_SESSION(s) OF_BOTH(s, 0) OF_BOTH(s, 1) OF_BOTH(s, 2) CHOOSE_AGAIN(s) APPEND(s) COMMIT(s)
#define OF_REPLICA(r) PROMISED(r) DURABLE(r) CRASH(r)

active proctype group()
{
#ifdef BEGUN /* session 1 has committed its NEW_EPOCH on two of three, and died */
	d_step {
		for (i : 0 .. 1) {
			rep[i].log[0] = 1; rep[i].last = 1; rep[i].durable = 1;
			rep[i].promise = 1; rep[i].serves = 1; rep[i].matched = 1;
		}
		history[0] = 1; committed = 1; i = 0;
	}
#endif
end:
	do
	OF_REPLICA(0)
	OF_REPLICA(1)
	OF_REPLICA(2)
#ifndef BEGUN
	OF_SESSION(1)
#endif
	OF_SESSION(2)
#if S > 2
	OF_SESSION(3)
#endif
#if S > 3
	OF_SESSION(4)
#endif
	od
}
