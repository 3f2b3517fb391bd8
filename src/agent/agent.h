/* The parts of quoind's main program. */
#ifndef QUOIN_AGENT_AGENT_H
#define QUOIN_AGENT_AGENT_H

#include "volumes/config.h"

#define AGENT_CONFIG_DEFAULT "/etc/quoin/quoind.conf"

/* Makes the cluster's key and its record, where they are missing; says what it did. The exit code. */
int agent_init_cluster(const struct volumes_config *config);
/* As many descriptors and as much locked memory as may be had; what can't be had is said in the log. */
void agent_limits_set(void);

#endif
