// SPDX-License-Identifier: Apache-2.0
/* The node as sonded will find it: kernel, privileges, mounts, settings, the daemon itself. */
#include "tools/sonde/doctor.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/meta/identity.h"
#include "agent/model/wire.h"

const char *const sonde_finding_names[] = { "ok", "note", "FAIL", "unknown" };

bool sonde_doctor_kernel_at_least(const char *release, unsigned int major, unsigned int minor)
{
	unsigned int have_major = 0, have_minor = 0;

	if (sscanf(release, "%u.%u", &have_major, &have_minor) != 2)
		return false;
	return have_major != major ? have_major > major : have_minor >= minor;
}

const char *sonde_doctor_lockdown(char *text)
{
	char *from = strchr(text, '['), *to = from ? strchr(from, ']') : NULL;

	if (!to)
		return "";
	*to = '\0';
	return from + 1;
}

void sonde_doctor_missing_caps(uint64_t caps, char *out, size_t len)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} needed[] = { { CAP_BPF, "CAP_BPF" },
		       { CAP_PERFMON, "CAP_PERFMON" },
		       { CAP_NET_ADMIN, "CAP_NET_ADMIN" },
		       { CAP_SYS_PTRACE, "CAP_SYS_PTRACE" },
		       { CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH" } };

	out[0] = '\0';
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		bool by_admin = needed[i].bit == CAP_BPF || needed[i].bit == CAP_PERFMON;

		if (caps & 1ULL << needed[i].bit || (by_admin && caps & 1ULL << CAP_SYS_ADMIN))
			continue;
		strncat(out, out[0] ? " " : "", len - strlen(out) - 1);
		strncat(out, needed[i].name, len - strlen(out) - 1);
	}
}

/* The first line of a file. False: it cannot be read. */
static bool read_line(const char *path, char *out, size_t len)
{
	FILE *f = fopen(path, "re");
	bool good = f && fgets(out, (int)len, f);

	if (f)
		fclose(f);
	if (good)
		out[strcspn(out, "\n")] = '\0';
	return good;
}

static void set(struct sonde_finding *f, enum sonde_finding_state state, const char *fix,
		const char *detail)
{
	f->state = state;
	f->fix = fix;
	snprintf(f->detail, sizeof(f->detail), "%s", detail);
}

static void look_at_kernel(struct sonde_finding *f, const char *run_dir)
{
	struct utsname name = { .release = "" };

	(void)run_dir;
	uname(&name);
	if (sonde_doctor_kernel_at_least(name.release, 5, 10))
		set(f, SONDE_FINDING_OK, NULL, name.release);
	else
		set(f, SONDE_FINDING_FAIL, "boot Linux 5.10 or later", name.release);
}

/* Iterators over files are there before they may call bpf_sock_from_file(). */
static void look_at_old_sockets(struct sonde_finding *f, const char *run_dir)
{
	struct utsname name = { .release = "" };

	(void)run_dir;
	uname(&name);
	if (sonde_doctor_kernel_at_least(name.release, 5, 11))
		set(f, SONDE_FINDING_OK, NULL, "found through the files of each process");
	else
		set(f, SONDE_FINDING_NOTE, "boot Linux 5.11 or later, or start sonded first",
		    "iter/task_file reaches no sockets before Linux 5.11: connections older "
		    "than sonded have no process name");
}

static void look_at_caps(struct sonde_finding *f, const char *run_dir)
{
	char line[128], missing[SONDE_FINDING_DETAIL - 16];
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long caps = 0;

	(void)run_dir;
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (file)
		fclose(file);
	sonde_doctor_missing_caps(caps, missing, sizeof(missing));
	if (!missing[0]) {
		set(f, SONDE_FINDING_OK, NULL, "all that sonded needs");
		return;
	}
	set(f, SONDE_FINDING_UNKNOWN,
	    "run `sonde doctor` as root, to see what sonded (started by root) would find", "");
	snprintf(f->detail, sizeof(f->detail), "lacks %s", missing);
}

static void look_at_btf(struct sonde_finding *f, const char *run_dir)
{
	(void)run_dir;
	if (access("/sys/kernel/btf/vmlinux", R_OK) == 0)
		set(f, SONDE_FINDING_OK, NULL, "/sys/kernel/btf/vmlinux");
	else
		set(f, SONDE_FINDING_FAIL, "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y",
		    "/sys/kernel/btf/vmlinux cannot be read");
}

static void look_at_cgroup(struct sonde_finding *f, const char *run_dir)
{
	char root[128];

	(void)run_dir;
	if (sonde_cgroup_find_root("/proc/self/mountinfo", root, sizeof(root)) == 0)
		set(f, SONDE_FINDING_OK, NULL, root);
	else
		set(f, SONDE_FINDING_NOTE,
		    "none is needed: sonded mounts it privately; on systemd, boot with "
		    "systemd.unified_cgroup_hierarchy=1",
		    "cgroup v2 is not mounted");
}

static void look_at_lockdown(struct sonde_finding *f, const char *run_dir)
{
	char line[128];
	const char *mode;

	(void)run_dir;
	if (!read_line("/sys/kernel/security/lockdown", line, sizeof(line))) {
		set(f, SONDE_FINDING_OK, NULL, "not told (no securityfs), or off");
		return;
	}
	mode = sonde_doctor_lockdown(line);
	if (strcmp(mode, "confidentiality") == 0)
		set(f, SONDE_FINDING_FAIL, "boot with lockdown=integrity, which is enough",
		    "confidentiality: programs may not read kernel memory");
	else
		set(f, SONDE_FINDING_OK, NULL, mode);
}

static void look_at_jit(struct sonde_finding *f, const char *run_dir)
{
	char line[16];

	(void)run_dir;
	if (!read_line("/proc/sys/net/core/bpf_jit_enable", line, sizeof(line)))
		set(f, SONDE_FINDING_UNKNOWN, NULL, "net.core.bpf_jit_enable cannot be read");
	else if (line[0] == '0')
		set(f, SONDE_FINDING_NOTE, "sysctl -w net.core.bpf_jit_enable=1",
		    "off: programs are interpreted, which costs more");
	else
		set(f, SONDE_FINDING_OK, NULL, "on");
}

static void look_at_unprivileged(struct sonde_finding *f, const char *run_dir)
{
	char line[16];

	(void)run_dir;
	if (!read_line("/proc/sys/kernel/unprivileged_bpf_disabled", line, sizeof(line)))
		set(f, SONDE_FINDING_UNKNOWN, NULL, "kernel.unprivileged_bpf_disabled: no such");
	else if (line[0] == '0')
		set(f, SONDE_FINDING_NOTE, "sysctl -w kernel.unprivileged_bpf_disabled=2",
		    "any user may load programs; sonded does not need that");
	else
		set(f, SONDE_FINDING_OK, NULL, "for the privileged alone");
}

static void look_at_memlock(struct sonde_finding *f, const char *run_dir)
{
	struct utsname name = { .release = "" };
	struct rlimit limit = { 0 };

	(void)run_dir;
	uname(&name);
	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (sonde_doctor_kernel_at_least(name.release, 5, 11))
		set(f, SONDE_FINDING_OK, NULL, "does not count: maps are charged to the cgroup");
	else if (limit.rlim_max == RLIM_INFINITY || geteuid() == 0)
		set(f, SONDE_FINDING_OK, NULL, "can be raised");
	else
		set(f, SONDE_FINDING_NOTE, "LimitMEMLOCK=infinity in the unit of sonded",
		    "maps count against it before Linux 5.11");
}

static void look_at_user(struct sonde_finding *f, const char *run_dir)
{
	bool user = getpwnam("sonde"), group = getgrnam("sonde");

	(void)run_dir;
	if (user && group)
		set(f, SONDE_FINDING_OK, NULL, "user and group sonde");
	else
		set(f, SONDE_FINDING_NOTE,
		    "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin "
		    "sonde",
		    user    ? "no group sonde: only root can use the control socket"
		    : group ? "no user sonde"
			    : "neither user nor group sonde");
}

static void look_at_daemon(struct sonde_finding *f, const char *run_dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/%s", run_dir,
		 SONDE_WIRE_SOCKET);
	err = fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
	if (fd >= 0)
		close(fd);
	if (!err)
		set(f, SONDE_FINDING_OK, NULL, "answers");
	else if (err == EACCES)
		set(f, SONDE_FINDING_NOTE, "become root or a member of group sonde",
		    "runs, but this user may not talk to it");
	else
		set(f, SONDE_FINDING_NOTE, "systemctl start sonded, or run sonded", strerror(err));
}

size_t sonde_doctor_examine(const char *run_dir, struct sonde_finding out[SONDE_FINDINGS_MAX])
{
	static const struct {
		const char *name;
		void (*look)(struct sonde_finding *f, const char *run_dir);
	} looks[] = {
		{ "kernel", look_at_kernel },
		{ "capabilities", look_at_caps },
		{ "BTF", look_at_btf },
		{ "cgroup v2", look_at_cgroup },
		{ "lockdown", look_at_lockdown },
		{ "BPF JIT", look_at_jit },
		{ "unprivileged BPF", look_at_unprivileged },
		{ "memlock", look_at_memlock },
		{ "user", look_at_user },
		{ "older sockets", look_at_old_sockets },
		{ "daemon", look_at_daemon },
	};
	size_t n = sizeof(looks) / sizeof(looks[0]);

	for (size_t i = 0; i < n; i++) {
		out[i] = (struct sonde_finding){ .name = looks[i].name };
		looks[i].look(&out[i], run_dir);
	}
	return n;
}
