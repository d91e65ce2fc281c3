// SPDX-License-Identifier: Apache-2.0
/*
 * A cgroup path is read from the root to the leaf, component by component. Each engine has a way of
 * naming its cgroups (one row of `forms`); a container found further down replaces what was found
 * above it, and also the unit, since a unit above a container is the engine's and not the
 * application's. The one exception is Podman under a unit of its own (--cgroups=split), where the
 * unit is how people know the container.
 */
#include "agent/meta/identity.h"

enum {
	CONTAINER_ID_MIN = 12, /* hex digits behind a prefix; a bare name needs all 64 */
	CONTAINER_ID_LEN = 64,
	POD_UUID_LEN = 36,
	POD_HASH_LEN = 32, /* static pods: a hash of the manifest, no dashes */
};

struct form {
	struct sonde_slice prefix;
	enum sonde_runtime runtime;
	bool keeps_unit;
};

#define FORM(text, runtime, keeps)                                            \
	{                                                                     \
		{ (const uint8_t *)(text), sizeof(text) - 1 }, runtime, keeps \
	}

/* Longer prefixes first where one begins another. */
static const struct form forms[] = {
	FORM("docker-", SONDE_RUNTIME_DOCKER, false),
	FORM("cri-containerd-", SONDE_RUNTIME_CONTAINERD, false),
	FORM("nerdctl-", SONDE_RUNTIME_CONTAINERD, false),
	FORM("crio-", SONDE_RUNTIME_CRIO, false),
	FORM("libpod-payload-", SONDE_RUNTIME_PODMAN, true),
	FORM("libpod-", SONDE_RUNTIME_PODMAN, false),
};

/* What a component above says about a bare id below it. */
static const struct form parents[] = {
	FORM("docker", SONDE_RUNTIME_DOCKER, false),
	FORM("libpod_parent", SONDE_RUNTIME_PODMAN, false),
	FORM("cri-containerd", SONDE_RUNTIME_CONTAINERD, false),
	FORM("crio", SONDE_RUNTIME_CRIO, false),
};

static bool is_hex(struct sonde_slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.ptr[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return s.len > 0;
}

static bool strip_suffix(struct sonde_slice *s, struct sonde_slice suffix)
{
	if (s->len <= suffix.len ||
	    !sonde_slice_eq(sonde_slice_from(*s, s->len - suffix.len), suffix))
		return false;
	s->len -= suffix.len;
	return true;
}

/* Copies S and a NUL into OUT, cut at LEN - 1 bytes or at a NUL of S. */
static void copy_text(char *out, size_t len, struct sonde_slice s)
{
	size_t n = sonde_slice_find(s, 0, '\0');

	if (n > len - 1)
		n = len - 1;
	if (n)
		memcpy(out, s.ptr, n);
	out[n] = '\0';
}

/* The pod's uid with dashes, as the API spells it; systemd slices have '_' for them. */
static bool parse_pod_uid(struct sonde_slice s, char out[SONDE_POD_UID_MAX])
{
	char uid[SONDE_POD_UID_MAX] = "";

	if (s.len != POD_UUID_LEN && !(s.len == POD_HASH_LEN && is_hex(s)))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		bool dash = s.len == POD_UUID_LEN && (i == 8 || i == 13 || i == 18 || i == 23);
		uint8_t c = s.ptr[i] == '_' ? '-' : s.ptr[i];

		if (dash ? c != '-' : !is_hex(sonde_slice_of(&c, 1)))
			return false;
		uid[i] = (char)c;
	}
	memcpy(out, uid, sizeof(uid));
	return true;
}

/* "pod<uid>", "kubepods-burstable-pod<uid>.slice", "kubelet-kubepods-pod<uid>.slice". */
static bool parse_pod(struct sonde_slice name, char out[SONDE_POD_UID_MAX])
{
	static const struct sonde_slice pod = { (const uint8_t *)"pod", 3 };
	size_t dash = name.len;

	if (!strip_suffix(&name, SONDE_SLICE_LIT(".slice")))
		return sonde_slice_starts(name, pod) &&
		       parse_pod_uid(sonde_slice_from(name, pod.len), out);
	for (size_t i = 0; i + pod.len < name.len; i++)
		if (name.ptr[i] == '-' && sonde_slice_starts(sonde_slice_from(name, i + 1), pod))
			dash = i;
	return dash < name.len && parse_pod_uid(sonde_slice_from(name, dash + 1 + pod.len), out);
}

static void set_container(struct sonde_process *p, struct sonde_slice id, const struct form *form)
{
	copy_text(p->container_id, sizeof(p->container_id), id);
	p->runtime = form ? form->runtime : SONDE_RUNTIME_OTHER;
	if (!form || !form->keeps_unit)
		p->unit[0] = '\0';
}

static const struct form *find_parent(struct sonde_slice name)
{
	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++)
		if (sonde_slice_eq(name, parents[i].prefix))
			return &parents[i];
	return NULL;
}

/* NAME is a container's cgroup. PARENT is the component above it. */
static bool parse_container(struct sonde_slice name, struct sonde_slice parent,
			    struct sonde_process *p)
{
	struct sonde_slice id = name;

	strip_suffix(&id, SONDE_SLICE_LIT(".scope"));
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct sonde_slice rest = sonde_slice_from(id, forms[i].prefix.len);

		if (sonde_slice_starts(id, forms[i].prefix) && is_hex(rest) &&
		    rest.len >= CONTAINER_ID_MIN && rest.len <= CONTAINER_ID_LEN) {
			set_container(p, rest, &forms[i]);
			return true;
		}
	}
	if (name.len != CONTAINER_ID_LEN || !is_hex(name))
		return false;
	set_container(p, name, find_parent(parent));
	return true;
}

/* The names systemd-run makes up: "run-u23", "run-r<hex>", "run-p12-i34". */
static bool is_made_up(struct sonde_slice stem)
{
	static const char set[] = "0123456789abcdef-i";
	int kind = sonde_slice_at(stem, 4);

	if (!sonde_slice_starts(stem, SONDE_SLICE_LIT("run-")) || stem.len < 6 ||
	    (kind != 'u' && kind != 'r' && kind != 'p'))
		return false;
	for (size_t i = 5; i < stem.len; i++)
		if (!memchr(set, stem.ptr[i], sizeof(set) - 1))
			return false;
	return true;
}

/*
 * Units that are no service: the user's manager and sessions, ad-hoc ones with a number for a name,
 * and the monitors that engines put beside a container. Processes there are known by comm.
 */
static bool is_anonymous(struct sonde_slice name, struct sonde_slice stem)
{
	static const char *const globs[] = {
		"user@*.service", "session-*.scope",	   "init.scope",
		"crio-conmon-*",  "libpod-conmon-*.scope",
	};

	for (size_t i = 0; i < sizeof(globs) / sizeof(globs[0]); i++)
		if (sonde_slice_glob(name, sonde_slice_str(globs[i])))
			return true;
	return is_made_up(stem);
}

static void parse_unit(struct sonde_slice name, struct sonde_process *p)
{
	struct sonde_slice stem = name;
	bool service = strip_suffix(&stem, SONDE_SLICE_LIT(".service"));

	if (!service && !strip_suffix(&stem, SONDE_SLICE_LIT(".scope")))
		return;
	if (is_anonymous(name, stem))
		p->unit[0] = '\0';
	else
		copy_text(p->unit, sizeof(p->unit), service ? stem : name);
}

static void parse_component(struct sonde_slice name, struct sonde_slice parent,
			    struct sonde_process *p)
{
	if (parse_pod(name, p->pod_uid) || parse_container(name, parent, p))
		return;
	parse_unit(name, p);
}

/*
 * "kubepods-pod<uid>.slice:cri-containerd:<id>" is one component where engine and kubelet do not
 * agree on a cgroup driver; its parts then mean what components mean. Other names keep their colon.
 */
static void parse_name(struct sonde_slice name, struct sonde_slice parent, struct sonde_process *p)
{
	size_t first = sonde_slice_find(name, 0, ':');
	size_t second = sonde_slice_find(name, first + 1, ':');
	struct sonde_slice id = sonde_slice_from(name, second + 1);

	if (id.len != CONTAINER_ID_LEN || !is_hex(id)) {
		parse_component(name, parent, p);
		return;
	}
	parse_component(sonde_slice_sub(name, 0, first), parent, p);
	parse_component(id, sonde_slice_sub(name, first + 1, second - first - 1), p);
}

void sonde_identity_parse_cgroup(struct sonde_slice path, struct sonde_process *p)
{
	struct sonde_slice parent = SONDE_SLICE_EMPTY;
	size_t at;

	p->unit[0] = p->container_id[0] = p->pod_uid[0] = '\0';
	p->runtime = SONDE_RUNTIME_NONE;
	strip_suffix(&path, SONDE_SLICE_LIT(" (deleted)"));
	/* A path that was cut in front begins in the middle of a name: that name says nothing. */
	at = sonde_slice_find(path, 0, '/');
	while (at < path.len) {
		size_t end = sonde_slice_find(path, at + 1, '/');
		struct sonde_slice name = sonde_slice_sub(path, at + 1, end - at - 1);

		parse_name(name, parent, p);
		parent = name;
		at = end;
	}
}

/* A string of the broker's answer; what is not terminated ends with its array. */
static struct sonde_slice told(const char *text, size_t size)
{
	return sonde_slice_of(text, strnlen(text, size));
}

void sonde_identity_apply(const struct sonde_identity *identity, struct sonde_process *p)
{
	struct sonde_slice comm = told(identity->comm, sizeof(identity->comm));
	struct sonde_slice exe = told(identity->exe, sizeof(identity->exe));
	struct sonde_slice cgroup = told(identity->cgroup, sizeof(identity->cgroup));

	if (identity->found && comm.len)
		copy_text(p->comm, sizeof(p->comm), comm);
	if (identity->found && exe.len)
		copy_text(p->exe, sizeof(p->exe), exe);
	if (cgroup.len) {
		copy_text(p->cgroup, sizeof(p->cgroup), cgroup);
		sonde_identity_parse_cgroup(cgroup, p);
	}
	p->service_key = 0; /* a name made up before is not the name any more */
	p->resolved = true;
}
