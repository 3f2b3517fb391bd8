/*
 * The group lease with clocks that drift: coordinator X reads by it while Y opens the replica and writes.
 *
 * One replica is enough: X's leases and Y's promises are each of a quorum, so there is a voter in both, and it is
 * this one. What is shown: when X checks its lease with the data in hand, Y has committed nothing.
 *
 * Both clocks tick with real time, but each may leave out a tick or tick twice, once in EVERY ticks: drift of
 * 1/EVERY. Times are kept as what is left or has gone by, so nothing grows without end. A lease is LEASE
 * ticks; X counts MARGIN less, the replica MARGIN more.
 */
#ifndef LEASE
#define LEASE 5
#endif
#ifndef EVERY
#define EVERY 6
#endif
#ifdef NO_MARGIN
#define MARGIN 0
#else
#define MARGIN 1
#endif
#ifndef RESTARTS
#define RESTARTS 1
#endif
#define SENT 2 /* questions under way at once */

byte x_left;	     /* coordinator_lease.c: coordinator_lease_is_valid: ticks of X's clock that are left */
byte r_left;	     /* replica: grant_until_ns, in ticks of the replica's clock */
byte question[SENT]; /* age + 1 of an APPEND on its way, by X's clock; 0: none */
byte answer[SENT];   /* age + 1 of what an answer on its way gives back (clock_ns) */
byte x_rest, r_rest; /* real ticks until this clock may err again */
bit y_waits;	     /* replica: waiting */
bit promised;
bit y_committed;
bit reading;	     /* X has sent a read to a disk, its own or another's */
byte restarts;

#define LESS(v, n) v = (v > n -> v - n : 0);
#define OLDER(v, n) v = (v == 0 || v > LEASE -> v : v + n);
#define TICK(x, r)                                                                                     \
	:: d_step {                                                                                    \
		(x == 1 || x_rest == 0) && (r == 1 || r_rest == 0) ->                                  \
		LESS(x_rest, 1) LESS(r_rest, 1)                                                        \
		if :: x != 1 -> x_rest = EVERY :: else fi;                                             \
		if :: r != 1 -> r_rest = EVERY :: else fi;                                             \
		LESS(x_left, x) LESS(r_left, r)                                                        \
		OLDER(question[0], x) OLDER(question[1], x) OLDER(answer[0], x) OLDER(answer[1], x)    \
	}

/* coordinator_poll.c: fill_clock */
#define ASK(i) :: d_step { question[i] == 0 && answer[i] == 0 -> question[i] = 1 }
#define LOSE(i) :: d_step { question[i] != 0 || answer[i] != 0 -> question[i] = 0; answer[i] = 0 }

/* replica_open.c: replica_grant, called by replica_acknowledge and by replica_promise_written. While another session
 * waits it answers, but grants nothing. */
#define GRANT(i)                                                                                       \
	:: d_step {                                                                                    \
		question[i] != 0 && !promised ->                                                       \
		if                                                                                     \
		:: MAY_GRANT -> answer[i] = question[i]; r_left = LEASE + MARGIN                       \
		:: else                                                                                \
		fi;                                                                                    \
		question[i] = 0;                                                                       \
	}
#define MAY_GRANT (!y_waits)

/* coordinator_append.c: coordinator_recv_append_answer: the lease is counted from the question. */
#ifdef LEASE_FROM_RECEIPT
#define AGE(i) 0
#else
#define AGE(i) (answer[i] - 1)
#endif
#define COUNT(i)                                                                                       \
	:: d_step {                                                                                    \
		answer[i] != 0 ->                                                                      \
		if :: LEASE - MARGIN > AGE(i) && LEASE - MARGIN - AGE(i) > x_left -> x_left = LEASE - MARGIN - AGE(i) \
		:: else fi;                                                                            \
		answer[i] = 0;                                                                         \
	}

/* replica_open.c: leases_are_over */
#ifdef NO_LEASE_WAIT
#define LEASES_ARE_OVER true
#else
#define LEASES_ARE_OVER (r_left == 0)
#endif
/* replica.c: replica_new: the longest lease ever granted is persisted. */
#ifdef FORGET_GRANT
#define AFTER_RESTART 0
#else
#define AFTER_RESTART (LEASE + MARGIN)
#endif

active proctype group()
{
end:
	do
	TICK(1, 1) TICK(0, 1) TICK(2, 1) TICK(1, 0) TICK(1, 2) TICK(0, 2) TICK(2, 0)
	ASK(0) ASK(1) LOSE(0) LOSE(1) GRANT(0) GRANT(1) COUNT(0) COUNT(1)
	/* replica_open.c: replica_recv_open, then replica_open_step */
	:: d_step { !y_waits && !promised -> y_waits = 1 }
	:: d_step { y_waits && LEASES_ARE_OVER -> y_waits = 0; promised = 1 }
	:: d_step { promised && !y_committed -> y_committed = 1 }
	/* its connection goes: replica_disconnected */
	:: d_step { y_waits -> y_waits = 0 }
	:: d_step { restarts < RESTARTS && !promised -> restarts++; y_waits = 0; r_left = AFTER_RESTART }
	/* coordinator_read.c: coordinator_next_read, then coordinator_read_done and may_answer */
#ifdef CHECK_BEFORE_READ
	:: d_step { !reading && x_left > 0 -> reading = 1 }
	:: d_step { reading -> reading = 0; assert(!y_committed) }
#else
	:: d_step { !reading -> reading = 1 }
	:: d_step { reading -> reading = 0; assert(x_left == 0 || !y_committed) }
#endif
	od
}
