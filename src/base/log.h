/*
 * One line a message on standard error: time, level, node, text. Programs log; libraries return errors.
 * May be called from any thread; never from a data-plane thread's hot path.
 */
#ifndef QUOIN_BASE_LOG_H
#define QUOIN_BASE_LOG_H

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

/* `node` is copied. Messages below `level` are dropped. Call before any thread is started. */
void log_init(enum log_level level, const char *node);
void log_at(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...)   log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)    log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...)   log_at(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
