// SPDX-License-Identifier: Apache-2.0
#include "agent/model/process.h"

const char *sonde_runtime_name(enum sonde_runtime runtime)
{
	static const char *const names[SONDE_RUNTIMES] = {
		[SONDE_RUNTIME_NONE] = "",
		[SONDE_RUNTIME_DOCKER] = "docker",
		[SONDE_RUNTIME_CONTAINERD] = "containerd",
		[SONDE_RUNTIME_CRIO] = "cri-o",
		[SONDE_RUNTIME_PODMAN] = "podman",
		[SONDE_RUNTIME_OTHER] = "other",
	};

	return (unsigned int)runtime < SONDE_RUNTIMES ? names[runtime] : "other";
}
