/* ASSERT: always on, also in production. For our own bugs only, never for what a disk, peer or user sent. */
#ifndef QUOIN_BASE_ASSERT_H
#define QUOIN_BASE_ASSERT_H

#define ASSERT(fact) ((fact) ? (void)0 : assert_failed(#fact, __FILE__, __LINE__, __func__))

/* An expensive fact, checked only where the build says so (simulator, unit tests). */
#ifdef QUOIN_ASSERT_EXPENSIVE
#define ASSERT_EXPENSIVE(fact) ASSERT(fact)
#else
#define ASSERT_EXPENSIVE(fact) ((void)0)
#endif

#define MUST_CHECK __attribute__((warn_unused_result))

/* Writes one line with the fact and its place to standard error, then aborts. */
_Noreturn void assert_failed(const char *fact, const char *file, int line, const char *func);

#endif
