// SPDX-License-Identifier: Apache-2.0
/*
 * mhd - libmicrohttpd, loaded by the worker alone.
 *
 * Debian's library brings a TLS stack along: 2.5 MB resident in every process that links it. Broker
 * and worker are one binary, and the privileged one has no use for either; so the worker loads the
 * library when it starts, before its sandbox closes, and calls it through this table.
 */
#ifndef SONDE_DAEMON_MHD_H
#define SONDE_DAEMON_MHD_H

#include <microhttpd.h>

/* Each member is the function of the same name, of the library's own type. */
struct sonde_mhd {
	__typeof__(&MHD_start_daemon) start_daemon;
	__typeof__(&MHD_stop_daemon) stop_daemon;
	__typeof__(&MHD_run) run;
	__typeof__(&MHD_get_timeout) get_timeout;
	__typeof__(&MHD_get_daemon_info) get_daemon_info;
	__typeof__(&MHD_lookup_connection_value) lookup_connection_value;
	__typeof__(&MHD_create_response_from_buffer) create_response_from_buffer;
	__typeof__(&MHD_create_response_from_callback) create_response_from_callback;
	__typeof__(&MHD_add_response_header) add_response_header;
	__typeof__(&MHD_queue_response) queue_response;
	__typeof__(&MHD_destroy_response) destroy_response;
};

/* Loads the library once; later calls give the same. NULL with the loader's words in *ERROR. */
const struct sonde_mhd *sonde_mhd_load(const char **error);

#endif
