// SPDX-License-Identifier: Apache-2.0
/* link - the control socket from the client's side: blocking, one frame at a time. */
#ifndef SONDE_TOOLS_LINK_H
#define SONDE_TOOLS_LINK_H

#include "agent/core/buf.h"
#include "agent/model/wire.h"

enum { SONDE_LINK_ANSWER_S = 10 }; /* how long an answer may take */

struct sonde_link {
	int fd;
	struct sonde_buf in;
	size_t used; /* of in: handed out already */
};

/*
 * Connects to the daemon of RUN_DIR and exchanges Hello. Returns SONDE_EXIT_OK, or the exit code
 * after complaining: no daemon, not allowed.
 */
int sonde_link_open(struct sonde_link *l, const char *run_dir);
void sonde_link_close(struct sonde_link *l);

/* 0 or negative errno. */
int sonde_link_send(struct sonde_link *l, const Sonde__Frame *frame);

/*
 * The next frame, to be freed with sonde__frame__free_unpacked(). Waits until UNTIL_NS
 * (CLOCK_MONOTONIC; 0: for ever). 0; -ETIMEDOUT; -EINTR: a person wants to stop; -ECONNRESET: the
 * daemon has gone; -EPROTO; -ENOMEM; or another negative errno.
 */
int sonde_link_receive(struct sonde_link *l, uint64_t until_ns, Sonde__Frame **out);
/* A whole frame has been received already. */
bool sonde_link_has_frame(const struct sonde_link *l);

/* Complains about ERR of the functions above (not about -EINTR), and says which exit code it is. */
int sonde_link_fail(int err);
/* Complains about an Error message of the daemon, and says which exit code it is. */
int sonde_link_refused(const Sonde__Error *error);
/* SONDE_EXIT_OK when FRAME is of BODY; else as above, of an Error or of what does not belong here.
 */
int sonde_link_check(const Sonde__Frame *frame, Sonde__Frame__BodyCase body);

/*
 * Sends REQUEST and waits for a frame of CASE in *OUT. SONDE_EXIT_OK, or the exit code after
 * complaining.
 */
int sonde_link_ask(struct sonde_link *l, const Sonde__Frame *request, Sonde__Frame__BodyCase body,
		   Sonde__Frame **out);

#endif
