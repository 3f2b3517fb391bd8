/*
 * Texts that many records have in common (names of nodes, paths of disks), each kept once, for ever: for what
 * there are few of, however many records name them. Thread rule: the control thread.
 */
#ifndef QUOIN_BASE_INTERN_H
#define QUOIN_BASE_INTERN_H

/* The same pointer for the same text, valid until the process ends; never NULL. */
const char *text_intern(const char *text);

#endif
