// SPDX-License-Identifier: Apache-2.0
/*
 * frames - one answer of the daemon that comes in several frames, until the last.
 *
 * What is made of an answer (lists of series, edges, connections) points into its frames, and owns
 * them for as long as it lives.
 */
#ifndef SONDE_TOOLS_FRAMES_H
#define SONDE_TOOLS_FRAMES_H

#include "tools/sonde/link.h"

struct sonde_frames {
	Sonde__Frame **items; /* owned, and so is each; in the order of the answer */
	size_t n, cap;
};

/*
 * Sends REQUEST and waits for the whole answer, frames of BODY until the one that says that it is
 * the last. Each may take SONDE_LINK_ANSWER_S; with UNTIL_NS (CLOCK_MONOTONIC; 0: none) all of them
 * may take until then instead. SONDE_EXIT_OK with one frame or more in *OUT, to be freed; or the
 * exit code after complaining (not when a person wants to stop), with *OUT untouched.
 */
int sonde_frames_ask(struct sonde_link *l, const Sonde__Frame *request, Sonde__Frame__BodyCase body,
		     uint64_t until_ns, struct sonde_frames *out);
/* Takes over FRAME, also when it fails. 0 or -ENOMEM. For ask, and for tests. */
int sonde_frames_add(struct sonde_frames *f, Sonde__Frame *frame);
void sonde_frames_free(struct sonde_frames *f); /* accepts a zeroed one */

#endif
