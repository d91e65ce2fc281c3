// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NOBODY = 65534 };

/* What a worker has no business with at all: the first try is its last. */
static const int deadly[] = {
	SCMP_SYS(bpf),
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(open_by_handle_at),
};

/* What it needs: memory, its descriptors, its sockets and files, time, threads. */
static const int allowed[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(close),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(getdents64),
	SCMP_SYS(fcntl),
	SCMP_SYS(dup),
	SCMP_SYS(dup3),
	SCMP_SYS(pipe2),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(futex),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	SCMP_SYS(eventfd2),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getrandom),
	SCMP_SYS(accept4),
	SCMP_SYS(accept),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(connect),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(sendmsg),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmmsg), /* the resolver's two questions at once */
	SCMP_SYS(recvfrom),
	SCMP_SYS(shutdown),
	SCMP_SYS(sendfile),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(clone),
	SCMP_SYS(clone3),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(tgkill),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(prlimit64),
	SCMP_SYS(getrusage),
	SCMP_SYS(prctl),
};

/* What it may do with one argument being so. A masked comparison takes mask, then value. */
static const struct {
	int call;
	struct scmp_arg_cmp when;
} conditional[] = {
	{ SCMP_SYS(mprotect), { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } },
	{ SCMP_SYS(mmap), { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } },
	{ SCMP_SYS(socket), { 0, SCMP_CMP_EQ, AF_INET, 0 } },
	{ SCMP_SYS(socket), { 0, SCMP_CMP_EQ, AF_INET6, 0 } },
	{ SCMP_SYS(socketpair), { 0, SCMP_CMP_EQ, AF_UNIX, 0 } },
	{ SCMP_SYS(ioctl), { 1, SCMP_CMP_EQ, 0x5421 /* FIONBIO */, 0 } },
};

static int add_rules(scmp_filter_ctx filter)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	/* Code comes from files mapped at the start; nothing becomes executable later. */
	for (size_t i = 0; i < sizeof(conditional) / sizeof(conditional[0]) && !err; i++)
		err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, conditional[i].call, 1,
					     &conditional[i].when);
	return err;
}

static int filter_syscalls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = -ENOMEM;

	if (!filter)
		return err;
	err = add_rules(filter);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

/*
 * The user of this name in /etc/passwd, else nobody. Read directly: name services would load
 * libraries into a process that has no other use for them.
 */
static void find_user(const char *name, uid_t *uid, gid_t *gid)
{
	FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *pw;

	*uid = NOBODY;
	*gid = NOBODY;
	if (!f)
		return;
	while ((pw = fgetpwent(f))) {
		if (strcmp(pw->pw_name, name) != 0)
			continue;
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
		break;
	}
	fclose(f);
}

static int become(const char *name)
{
	uid_t uid;
	gid_t gid;

	find_user(name, &uid, &gid);
	if (uid == 0)
		return -EPERM;
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		return -errno;
	return 0;
}

int sonde_sandbox_worker(const char *user, const char **what)
{
	struct rlimit none = { 0, 0 };
	int err = 0;

	*what = "core limit";
	if (setrlimit(RLIMIT_CORE, &none))
		return -errno;
	/* The bounding set must be emptied while there is a capability to do it with. */
	*what = "bounding set";
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_BOUNDS))
		return -EPERM;
	*what = "user";
	err = become(user);
	if (err)
		return err;
	*what = "capabilities";
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_CAPS))
		return -EPERM;
	*what = "no_new_privs";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	*what = "seccomp";
	return filter_syscalls();
}

int sonde_sandbox_broker(void)
{
	static const unsigned int kept[] = {
		CAP_BPF,	  CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_PTRACE,	CAP_DAC_READ_SEARCH,
		CAP_SYS_ADMIN,	  CAP_KILL,    CAP_SETUID,    CAP_SETGID,	CAP_SETPCAP,
		CAP_SYS_RESOURCE, CAP_CHOWN,   CAP_FOWNER,    CAP_DAC_OVERRIDE,
	};

	unsigned int have[sizeof(kept) / sizeof(kept[0])];
	size_t n = 0;

	/* A container may have been given fewer: what is missing shows where it is needed. */
	capng_get_caps_process();
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (capng_have_capability(CAPNG_PERMITTED, kept[i]))
			have[n++] = kept[i];
	capng_clear(CAPNG_SELECT_CAPS);
	for (size_t i = 0; i < n; i++)
		if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, have[i]))
			return -EINVAL;
	return capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}
