// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/config_schema.h"

#include "agent/agg/route.h"
#include "agent/daemon/config_limit.h"
#include "agent/meta/identity.h"
#include "agent/meta/peers.h"
#include "agent/model/process.h"

#define AT(field)	.offset = offsetof(struct sonde_config, field)
#define COUNT(field)	.count_offset = offsetof(struct sonde_config, field)
#define RULE_AT(field)	.offset = offsetof(struct sonde_service_rule, field)
#define GROUP_AT(field) .offset = offsetof(struct sonde_peer_group, field)
#define LIMIT_AT(field) .offset = offsetof(struct sonde_limit_text, field)

#define KIB  (UINT64_C(1) << 10)
#define MIB  (UINT64_C(1) << 20)
#define TIB  (UINT64_C(1) << 40)
#define MS   UINT64_C(1000000)
#define S    (1000 * MS)
#define HOUR (3600 * S)

enum {
	NAME_MAX_BYTES = 64,
	TEXT_MAX_BYTES = 255,
	SOCKET_PATH_MAX = 107, /* sun_path */
	NODE_NAME_MAX = 253,   /* a DNS subdomain, RFC 1123 */
	CIDR_TEXT_MAX = 49,
};

/* In the order of enum sonde_unmatched. */
static const char *const unmatched_choices[] = { "heuristic", "path", "wildcard", "unset", NULL };
/* Each begins with its default, where it has one. */
static const char *const loss_choices[] = { "open", "keep", NULL };
static const char *const per_choices[] = { "source", "/24", "/64", "rule", NULL };
static const char *const proto_choices[] = { "any", "tcp", "udp", "icmp", NULL };
static const char *const limit_unit_choices[] = { "packets", "bytes", "connections", "requests",
						  NULL };
static const char *const action_choices[] = { "drop", "count", NULL };
static const char *const level_choices[] = { "error", "warn", "info", "debug", NULL };

static const char *check_absolute(struct sonde_slice text)
{
	return sonde_slice_at(text, 0) == '/' ? NULL : "does not begin with a slash";
}

static const char *check_output(struct sonde_slice text)
{
	return sonde_slice_eq(text, SONDE_SLICE_LIT("-")) ? NULL : check_absolute(text);
}

static const char *check_file(struct sonde_slice text)
{
	return text.len ? check_absolute(text) : NULL;
}

/* A scheme and a host; what the URL library makes of the rest shows when it is asked. */
static const char *check_api_server(struct sonde_slice text)
{
	static const struct sonde_slice schemes[] = {
		{ (const uint8_t *)"https://", 8 },
		{ (const uint8_t *)"http://", 7 },
	};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		struct sonde_slice host = sonde_slice_from(text, schemes[i].len);

		if (!sonde_slice_starts(text, schemes[i]))
			continue;
		if (!host.len || host.ptr[0] == '/' || host.ptr[0] == ':')
			return "names no host";
		if (sonde_slice_find(host, 0, '?') < host.len ||
		    sonde_slice_find(host, 0, ' ') < host.len)
			return "holds more than scheme, host, port and path";
		return NULL;
	}
	return text.len ? "begins neither with https:// nor with http://" : NULL;
}

static const char *check_node_name(struct sonde_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
			return "holds other characters than a-z, 0-9, - and .";
	}
	return NULL;
}

static const char *check_limit_source(struct sonde_slice text)
{
	return text.len ? sonde_limit_check_network(text) : NULL;
}

static const char *check_limit_ports(struct sonde_slice text)
{
	return text.len ? sonde_limit_check_ports(text) : NULL;
}

static const char *check_limit_burst(struct sonde_slice text)
{
	return text.len ? sonde_limit_check_burst(text) : NULL;
}

const struct sonde_config_key sonde_config_keys[] = {
	{
		.name = "capture.ring_bytes",
		.type = SONDE_CONFIG_BYTES32,
		AT(capture.ring_bytes),
		.fallback = "8MiB",
		.min = 64 * KIB,
		.max = 256 * MIB,
		.power_of_two = true,
		.help = "Memory between the kernel and the daemon. A larger ring keeps more "
			"records while the daemon is busy or being restarted. Read at start only.",
	},
	{
		.name = "capture.request_head_bytes",
		.type = SONDE_CONFIG_BYTES32,
		AT(capture.request_head_bytes),
		.fallback = "448",
		.min = 64,
		.max = 1984,
		.help = "How much of the beginning of each request is copied for the parsers. "
			"Method and path must fit; headers beyond it are not seen. Read at start "
			"only.",
	},
	{
		.name = "capture.response_head_bytes",
		.type = SONDE_CONFIG_BYTES32,
		AT(capture.response_head_bytes),
		.fallback = "192",
		.min = 64,
		.max = 1984,
		.help = "How much of the beginning of each response is copied for the parsers. "
			"Read at start only.",
	},
	{
		.name = "capture.drain_interval",
		.type = SONDE_CONFIG_DURATION,
		AT(capture.drain_interval_ns),
		.fallback = "10ms",
		.min = MS,
		.max = S,
		.help = "How often the ring is emptied when it does not fill up sooner. Records "
			"are shown up to this much later; shorter intervals cost CPU time.",
	},
	{
		.name = "capture.max_connections",
		.type = SONDE_CONFIG_U32,
		AT(capture.max_connections),
		.fallback = "65536",
		.min = 64,
		.max = 1 << 20,
		.help = "Connections that are followed at a time; requests on further ones are "
			"counted as dropped. Read at start only.",
	},
	{
		.name = "capture.ignored_ports",
		.type = SONDE_CONFIG_PORTS,
		AT(capture.ignored_ports),
		COUNT(capture.n_ignored_ports),
		.min = 1,
		.max = UINT16_MAX,
		.form = "a port from 1 to 65535",
		.help = "Connections with one of these ports at either end are left alone. Read at "
			"start only.",
	},
	{
		.name = "capture.ignored_cgroups",
		.type = SONDE_CONFIG_STRINGS,
		AT(capture.ignored_cgroups),
		.min = 1,
		.max = SONDE_CGROUP_MAX - 1,
		.check = check_absolute,
		.form = "a path that begins with a slash, below the root of cgroup v2",
		.help = "Processes in these cgroups are left alone, such as "
			"/system.slice/backup.service. A reload adds cgroups; one that is taken "
			"off the list is left alone until the next start.",
	},
	{
		.name = "http.timeout",
		.type = SONDE_CONFIG_DURATION,
		AT(http.timeout_ns),
		.fallback = "60s",
		.min = 100 * MS,
		.max = HOUR,
		.help = "A request that has had no answer for this long is reported as an error "
			"with the reason timeout.",
	},
	{
		.name = "services.rules",
		.type = SONDE_CONFIG_MAPS,
		AT(services.rules),
		COUNT(services.n_rules),
		.item_size = sizeof(struct sonde_service_rule),
		.max_items = SONDE_CONFIG_RULES_MAX,
		.form = "a map with the key name and what must match",
		.help = "Names for services; the first rule that matches wins. Without one a "
			"service is called after its systemd unit, its pod, its container or its "
			"command.",
	},
	{
		.name = "services.rules[].name",
		.type = SONDE_CONFIG_STRING,
		RULE_AT(name),
		.fallback = "",
		.min = 1,
		.max = SONDE_SERVICE_MAX - 1,
		.check = sonde_identity_check_name,
		.required = "every rule needs the name it gives",
		.form = "a service name, in which {container_name}, {pod}, {namespace}, "
			"{image_tag}, {unit}, {comm} and {label:KEY} stand for what is known",
		.help = "The name of the service. Required. Placeholders stand for what is known "
			"of "
			"the process; where one is not known the rule does not match.",
	},
	{
		.name = "services.rules[].unit",
		.type = SONDE_CONFIG_STRING,
		RULE_AT(unit),
		.fallback = "",
		.max = TEXT_MAX_BYTES,
		.form = "a glob",
		.help = "Matches the systemd unit without .service; * is any run of characters, ? "
			"any one. All the keys that are given must match.",
	},
	{
		.name = "services.rules[].container",
		.type = SONDE_CONFIG_STRING,
		RULE_AT(container),
		.fallback = "",
		.max = TEXT_MAX_BYTES,
		.form = "a glob",
		.help = "Matches the container id.",
	},
	{
		.name = "services.rules[].cgroup",
		.type = SONDE_CONFIG_STRING,
		RULE_AT(cgroup),
		.fallback = "",
		.max = TEXT_MAX_BYTES,
		.form = "a glob",
		.help = "Matches the cgroup path.",
	},
	{
		.name = "services.rules[].comm",
		.type = SONDE_CONFIG_STRING,
		RULE_AT(comm),
		.fallback = "",
		.max = TEXT_MAX_BYTES,
		.form = "a glob",
		.help = "Matches the command name, which the kernel cuts to 15 bytes.",
	},
	{
		.name = "services.rules[].image",
		.type = SONDE_CONFIG_STRING,
		RULE_AT(image),
		.fallback = "",
		.max = TEXT_MAX_BYTES,
		.form = "a glob",
		.help = "Matches the image of the container as its owner wrote it.",
	},
	{
		.name = "services.rules[].container_name",
		.type = SONDE_CONFIG_STRING,
		RULE_AT(container_name),
		.fallback = "",
		.max = TEXT_MAX_BYTES,
		.form = "a glob",
		.help = "Matches the name of the container.",
	},
	{
		.name = "services.rules[].namespace",
		.type = SONDE_CONFIG_STRING,
		RULE_AT(pod_namespace),
		.fallback = "",
		.max = TEXT_MAX_BYTES,
		.form = "a glob",
		.help = "Matches the namespace of the pod.",
	},
	{
		.name = "services.rules[].pod",
		.type = SONDE_CONFIG_STRING,
		RULE_AT(pod),
		.fallback = "",
		.max = TEXT_MAX_BYTES,
		.form = "a glob",
		.help = "Matches the name of the pod.",
	},
	{
		.name = "services.rules[].label",
		.type = SONDE_CONFIG_STRING,
		RULE_AT(label),
		.fallback = "",
		.max = TEXT_MAX_BYTES,
		.check = sonde_identity_check_label,
		.form = "KEY=GLOB such as app=shop-*",
		.help = "Matches a label of the container or the pod.",
	},
	{
		.name = "services.rules[].port",
		.type = SONDE_CONFIG_PORT,
		RULE_AT(port),
		.fallback = "0",
		.min = 1,
		.max = UINT16_MAX,
		.or_zero = true,
		.help = "The port the service listens on; 0 is any.",
	},
	{
		.name = "routes.patterns",
		.type = SONDE_CONFIG_STRINGS,
		AT(routes.patterns),
		.min = 1,
		.max = TEXT_MAX_BYTES,
		.check = sonde_route_check,
		.form = "a pattern such as /users/:id, /users/{id} or /static/*",
		.help = "Routes by which requests are counted; the first that matches a path wins.",
	},
	{
		.name = "routes.ignored_patterns",
		.type = SONDE_CONFIG_STRINGS,
		AT(routes.ignored_patterns),
		.min = 1,
		.max = TEXT_MAX_BYTES,
		.check = sonde_route_check,
		.form = "a pattern such as /healthz or /internal/*",
		.help = "Requests whose path matches one of these are not reported.",
	},
	{
		.name = "routes.unmatched",
		.type = SONDE_CONFIG_ENUM,
		AT(routes.unmatched),
		.fallback = "heuristic",
		.choices = unmatched_choices,
		.help = "The route of a path that matches no pattern: heuristic replaces the parts "
			"that look generated or take many values, path keeps the path, wildcard "
			"makes all of them /**, unset leaves the route out.",
	},
	{
		.name = "routes.max_segment_values",
		.type = SONDE_CONFIG_U32,
		AT(routes.max_segment_values),
		.fallback = "10",
		.min = 1,
		.max = 1000,
		.help = "How many values one part of a path may take before the heuristic takes it "
			"for a variable.",
	},
	{
		.name = "routes.max_per_service",
		.type = SONDE_CONFIG_U32,
		AT(routes.max_per_service),
		.fallback = "200",
		.min = 1,
		.max = 10000,
		.help = "Routes of one service; requests on further ones are counted under the "
			"route __other__.",
	},
	{
		.name = "metrics.max_series",
		.type = SONDE_CONFIG_U32,
		AT(metrics.max_series),
		.fallback = "10000",
		.min = 16,
		.max = 1000000,
		.help = "Series kept at a time; requests of further ones are counted under the "
			"route __other__.",
	},
	{
		.name = "metrics.service_namespace",
		.type = SONDE_CONFIG_BOOL,
		AT(metrics.service_namespace),
		.fallback = "false",
		.help = "Metrics of requests carry service.namespace too: the namespace of the "
			"pod, or the project of Docker Compose.",
	},
	{
		.name = "metrics.service_version",
		.type = SONDE_CONFIG_BOOL,
		AT(metrics.service_version),
		.fallback = "false",
		.help = "Metrics of requests carry service.version too, so that releases can be "
			"compared: the tag of the image, the label app.kubernetes.io/version, or "
			"the instance of a systemd unit such as shop@1.4.",
	},
	{
		.name = "metrics.idle_expiry",
		.type = SONDE_CONFIG_DURATION,
		AT(metrics.idle_expiry_ns),
		.fallback = "15m",
		.min = S,
		.max = 168 * HOUR,
		.or_zero = true,
		.help = "A series without a request for this long is dropped; 0 keeps all.",
	},
	{
		.name = "connections.snapshot_interval",
		.type = SONDE_CONFIG_DURATION,
		AT(connections.snapshot_interval_ns),
		.fallback = "2s",
		.min = 100 * MS,
		.max = 60 * S,
		.help = "How often the kernel's counts of live connections are read: bytes, round "
			"trips, retransmissions. It is done less often when it takes more than a "
			"fiftieth of a core.",
	},
	{
		.name = "connections.history",
		.type = SONDE_CONFIG_DURATION,
		AT(connections.history_ns),
		.fallback = "5m",
		.min = S,
		.max = 24 * HOUR,
		.help = "How long `sonde conns` can tell of a connection that has closed.",
	},
	{
		.name = "connections.history_max",
		.type = SONDE_CONFIG_U32,
		AT(connections.history_max),
		.fallback = "2048",
		.min = 16,
		.max = 1000000,
		.help = "How many closed connections are remembered at most; the oldest makes "
			"room. Read at start only.",
	},
	{
		.name = "metadata.docker.sockets",
		.type = SONDE_CONFIG_STRINGS,
		AT(metadata.docker.sockets),
		.max_items = SONDE_CONFIG_DOCKER_SOCKETS_MAX,
		.min = 1,
		.max = SOCKET_PATH_MAX,
		.check = check_absolute,
		.form = "the full path of a socket such as /run/docker.sock",
		.help = "Sockets of Docker, or of Podman, that are asked for the names, images and "
			"labels of containers. Read at start only.",
	},
	{
		.name = "metadata.kubernetes.api_server",
		.type = SONDE_CONFIG_STRING,
		AT(metadata.kubernetes.api_server),
		.fallback = "",
		.max = TEXT_MAX_BYTES,
		.check = check_api_server,
		.form = "a URL such as https://10.96.0.1:443, or \"\" for off",
		.help = "The Kubernetes API server that is asked for the pods of this node: names, "
			"namespaces, owners, images and labels. Read at start only.",
	},
	{
		.name = "metadata.kubernetes.node_name",
		.type = SONDE_CONFIG_STRING,
		AT(metadata.kubernetes.node_name),
		.fallback = "",
		.max = NODE_NAME_MAX,
		.check = check_node_name,
		.form = "the name of the node in the cluster, or \"\" for that of the host",
		.help = "Only the pods of this node are asked for. Read at start only.",
	},
	{
		.name = "metadata.kubernetes.token_file",
		.type = SONDE_CONFIG_STRING,
		AT(metadata.kubernetes.token_file),
		.fallback = "/var/run/secrets/kubernetes.io/serviceaccount/token",
		.max = TEXT_MAX_BYTES,
		.check = check_file,
		.form = "the full path of a file, or \"\" for none",
		.help = "Holds the token that the API server is shown; read again for every "
			"connection, so that it may change. Read at start only.",
	},
	{
		.name = "metadata.kubernetes.ca_file",
		.type = SONDE_CONFIG_STRING,
		AT(metadata.kubernetes.ca_file),
		.fallback = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
		.max = TEXT_MAX_BYTES,
		.check = check_file,
		.form = "the full path of a file, or \"\" for the system's",
		.help = "Holds the certificates that the API server's must be signed by, in PEM. "
			"Read at start only.",
	},
	{
		.name = "peers.groups",
		.type = SONDE_CONFIG_MAPS,
		AT(peers.groups),
		COUNT(peers.n_groups),
		.item_size = sizeof(struct sonde_peer_group),
		.max_items = SONDE_CONFIG_GROUPS_MAX,
		.form = "a map with the keys name and cidr",
		.help = "Names for the addresses of whole networks, for peers on other machines. "
			"Where several hold an address, the longest prefix wins.",
	},
	{
		.name = "peers.groups[].name",
		.type = SONDE_CONFIG_STRING,
		GROUP_AT(name),
		.fallback = "",
		.min = 1,
		.max = SONDE_SERVICE_MAX - 1,
		.required = "every group needs the name it gives",
		.form = "a name",
		.help = "What peers in this network are called; every group needs one.",
	},
	{
		.name = "peers.groups[].cidr",
		.type = SONDE_CONFIG_STRING,
		GROUP_AT(cidr),
		.fallback = "",
		.min = 1,
		.max = CIDR_TEXT_MAX,
		.check = sonde_cidr_check,
		.required = "every group needs its network, such as 10.0.0.0/8",
		.form = "a network such as 10.0.0.0/8, 192.0.2.7 or fd00::/8",
		.help = "The network that is called so; every group needs one.",
	},
	{
		.name = "peers.max_addresses",
		.type = SONDE_CONFIG_U32,
		AT(peers.max_addresses),
		.fallback = "256",
		.max = 65536,
		.help = "Peers outside the groups that are called by their address; further ones "
			"are counted under `__other__`.",
	},
	{
		.name = "edges.max",
		.type = SONDE_CONFIG_U32,
		AT(edges.max),
		.fallback = "1000",
		.min = 1,
		.max = 100000,
		.help = "Pairs of services with metrics of their own. What belongs to further ones "
			"is counted under `__other__`. Read at start only.",
	},
	{
		.name = "limit.rules",
		.type = SONDE_CONFIG_MAPS,
		AT(limit.rules),
		COUNT(limit.n_rules),
		.item_size = sizeof(struct sonde_limit_text),
		.check_item = sonde_limit_check_item,
		.max_items = SONDE_CONFIG_LIMITS_MAX,
		.form = "a map with the keys name, iface, rate and what is to be limited",
		.help = "Rules that limit what comes in, as `sonde limit add` makes them. A reload "
			"swaps all of them at once; rules that it leaves word by word live on, and "
			"one whose time is over does not come back unless it is changed.",
	},
	{
		.name = "limit.rules[].name",
		.type = SONDE_CONFIG_STRING,
		LIMIT_AT(name),
		.fallback = "",
		.min = 1,
		.max = SONDE_LIMIT_NAME - 1,
		.check = sonde_limit_check_name,
		.required = "every rule needs a name",
		.form = "a name of letters, digits, - _ and .",
		.help = "What the rule is called; every rule needs one.",
	},
	{
		.name = "limit.rules[].iface",
		.type = SONDE_CONFIG_STRING,
		LIMIT_AT(iface),
		.fallback = "",
		.min = 1,
		.max = SONDE_LIMIT_IFACE - 1,
		.check = sonde_limit_check_iface,
		.required = "every rule needs the interface it holds at",
		.form = "the name of a network interface such as eth0",
		.help = "The interface whose incoming packets are looked at; every rule needs one.",
	},
	{
		.name = "limit.rules[].src",
		.type = SONDE_CONFIG_STRING,
		LIMIT_AT(src),
		.fallback = "",
		.max = CIDR_TEXT_MAX,
		.check = check_limit_source,
		.form = "a network such as 10.0.0.0/8, 192.0.2.7 or fd00::/8",
		.help = "The sources that are limited. Without it: all.",
	},
	{
		.name = "limit.rules[].per",
		.type = SONDE_CONFIG_STRING,
		LIMIT_AT(per),
		.fallback = "source",
		.choices = per_choices,
		.help = "What the rate is for: each source, each /24 network (or /64 in IPv6), "
			"each "
			"/64 network, or the rule as a whole.",
	},
	{
		.name = "limit.rules[].dport",
		.type = SONDE_CONFIG_STRING,
		LIMIT_AT(dport),
		.fallback = "",
		.max = NAME_MAX_BYTES,
		.check = check_limit_ports,
		.form = "a port such as 443 or a range such as 8000-8099",
		.help = "The destination ports that are limited. Without it: all, and packets "
			"without a port.",
	},
	{
		.name = "limit.rules[].proto",
		.type = SONDE_CONFIG_STRING,
		LIMIT_AT(proto),
		.fallback = "any",
		.choices = proto_choices,
		.help = "The protocol that is limited. Connections and requests are of tcp.",
	},
	{
		.name = "limit.rules[].rate",
		.type = SONDE_CONFIG_STRING,
		LIMIT_AT(rate),
		.fallback = "",
		.min = 1,
		.max = NAME_MAX_BYTES,
		.check = sonde_limit_check_rate,
		.required = "every rule needs a rate such as 100/s",
		.form = "a rate such as 100/s, 10K/s or 1M/s",
		.help = "Units per second that may pass; every rule needs it.",
	},
	{
		.name = "limit.rules[].burst",
		.type = SONDE_CONFIG_STRING,
		LIMIT_AT(burst),
		.fallback = "",
		.max = NAME_MAX_BYTES,
		.check = check_limit_burst,
		.form = "a number such as 200 or 10K",
		.help = "Units that may come at once. Without it: a tenth of a second's rate, at "
			"least 10, or 128Ki bytes.",
	},
	{
		.name = "limit.rules[].unit",
		.type = SONDE_CONFIG_STRING,
		LIMIT_AT(unit),
		.fallback = "packets",
		.choices = limit_unit_choices,
		.help = "What is counted: packets, bytes, new connections (TCP segments with SYN), "
			"or requests (TCP payload that begins with a method of HTTP/1).",
	},
	{
		.name = "limit.rules[].action",
		.type = SONDE_CONFIG_STRING,
		LIMIT_AT(action),
		.fallback = "drop",
		.choices = action_choices,
		.help = "What happens to the rest: drop, or count what drop would do.",
	},
	{
		.name = "limit.rules[].ttl",
		.type = SONDE_CONFIG_STRING,
		LIMIT_AT(ttl),
		.fallback = "1h",
		.max = NAME_MAX_BYTES,
		.min = 1,
		.check = sonde_limit_check_ttl,
		.form = "a time such as 90s, 10m, 1h or 7d, or none",
		.help = "How long the rule lives; none is for ever.",
	},
	{
		.name = "limit.rules[].priority",
		.type = SONDE_CONFIG_U32,
		LIMIT_AT(priority),
		.fallback = "100",
		.max = SONDE_LIMIT_PRIORITY_MAX,
		.help = "Rules with a lower number are asked first.",
	},
	{
		.name = "limit.rules[].trial",
		.type = SONDE_CONFIG_BOOL,
		LIMIT_AT(trial),
		.fallback = "true",
		.help = "Ends the rule after limit.trial unless `sonde limit confirm` keeps it; a "
			"rule that was confirmed once stays so. false is for rules that have "
			"proven themselves.",
	},
	{
		.name = "limit.allow",
		.type = SONDE_CONFIG_STRINGS,
		AT(limit.allow),
		.min = 1,
		.max = CIDR_TEXT_MAX,
		.check = sonde_limit_check_network,
		.form = "a network such as 10.0.0.0/8, 192.0.2.7 or fd00::/8",
		.help = "Sources that no rule limits, such as those that the node is managed from. "
			"The default gateway, the resolvers and the far end of the SSH connection "
			"of whoever adds a rule are allowed without being named.",
	},
	{
		.name = "limit.generic",
		.type = SONDE_CONFIG_STRINGS,
		AT(limit.generic),
		.min = 1,
		.max = SONDE_LIMIT_IFACE - 1,
		.check = sonde_limit_check_iface,
		.form = "the name of a network interface such as eth0",
		.help = "Interfaces where XDP may run in the slower generic mode, as their driver "
			"has no native one.",
	},
	{
		.name = "limit.trial",
		.type = SONDE_CONFIG_DURATION,
		AT(limit.trial_ns),
		.fallback = "60s",
		.min = S,
		.max = HOUR,
		.help = "How long a new rule limits before it is confirmed.",
	},
	{
		.name = "limit.lease",
		.type = SONDE_CONFIG_DURATION,
		AT(limit.lease_ns),
		.fallback = "60s",
		.min = 2 * S,
		.max = 24 * HOUR,
		.help = "How long rules go on limiting when the daemon has died.",
	},
	{
		.name = "limit.on_agent_loss",
		.type = SONDE_CONFIG_ENUM,
		AT(limit.on_agent_loss),
		.fallback = "open",
		.choices = loss_choices,
		.help = "What happens when the lease is over: open lets everything pass, keep goes "
			"on limiting until each rule's own time is over.",
	},
	{
		.name = "limit.breaker.percent",
		.type = SONDE_CONFIG_U32,
		AT(limit.breaker_percent),
		.fallback = "50",
		.max = 99,
		.help = "A rule that drops more than this share of what comes in on its interface "
			"turns to count; 0 never.",
	},
	{
		.name = "limit.breaker.duration",
		.type = SONDE_CONFIG_DURATION,
		AT(limit.breaker_ns),
		.fallback = "10s",
		.min = S,
		.max = HOUR,
		.or_zero = true,
		.help = "For how long on end it has to do so; 0 never.",
	},
	{
		.name = "limit.max_sources",
		.type = SONDE_CONFIG_U32,
		AT(limit.max_sources),
		.fallback = "1048576",
		.min = 1024,
		.max = 1 << 24,
		.power_of_two = true,
		.help = "Sources whose rates are kept apart, over all rules, in a table of fixed "
			"size: `sonde limit list` says how large. Read when the first rule comes.",
	},
	{
		.name = "limit.audit.path",
		.type = SONDE_CONFIG_STRING,
		AT(limit.audit_path),
		.fallback = "/var/log/sonde-audit/limit.jsonl",
		.max = TEXT_MAX_BYTES,
		.check = check_file,
		.form = "the full path of a file, or \"\" for the log alone",
		.help = "Who has changed which rule and when, a line of JSON each.",
	},
	{
		.name = "limit.audit.max_bytes",
		.type = SONDE_CONFIG_BYTES64,
		AT(limit.audit_max_bytes),
		.fallback = "1MiB",
		.min = 4 * KIB,
		.max = TIB,
		.help = "The file is set aside and begun anew when it would grow beyond this.",
	},
	{
		.name = "limit.audit.max_files",
		.type = SONDE_CONFIG_U32,
		AT(limit.audit_max_files),
		.fallback = "5",
		.max = 100,
		.help = "Files set aside that are kept; the oldest are deleted.",
	},
	{
		.name = "listen.http",
		.type = SONDE_CONFIG_LISTEN,
		AT(listen.listen),
		.fallback = "127.0.0.1:9764",
		.max = TEXT_MAX_BYTES,
		.help = "Where /metrics, /healthz, /readyz, the API and the page are served. "
			"Nobody is asked for a password there. Read at start only.",
	},
	{
		.name = "listen.allowed_hosts",
		.type = SONDE_CONFIG_STRINGS,
		AT(listen.allowed_hosts),
		.min = 1,
		.max = TEXT_MAX_BYTES,
		.form = "a host name",
		.help = "Names by which browsers and scrapers may ask, beside localhost and the "
			"address itself; others are refused, so that no web page can reach in.",
	},
	{
		.name = "listen.insecure",
		.type = SONDE_CONFIG_BOOL,
		AT(listen.insecure),
		.fallback = "false",
		.help = "Lets listen.http be an address that other machines can reach.",
	},
	{
		.name = "control.view_group",
		.type = SONDE_CONFIG_STRING,
		AT(control.view_group),
		.fallback = "",
		.max = NAME_MAX_BYTES,
		.form = "a group name, or \"\" for nobody",
		.help = "Members may ask the control socket for status, services and series. Root "
			"may always do everything.",
	},
	{
		.name = "control.trace_group",
		.type = SONDE_CONFIG_STRING,
		AT(control.trace_group),
		.fallback = "sonde",
		.max = NAME_MAX_BYTES,
		.form = "a group name, or \"\" for nobody",
		.help = "Members may also watch single requests.",
	},
	{
		.name = "control.control_group",
		.type = SONDE_CONFIG_STRING,
		AT(control.control_group),
		.fallback = "sonde-admin",
		.max = NAME_MAX_BYTES,
		.form = "a group name, or \"\" for nobody",
		.help = "Members may also change what the daemon does.",
	},
	{
		.name = "exporters.jsonl.enabled",
		.type = SONDE_CONFIG_BOOL,
		AT(jsonl.enabled),
		.fallback = "false",
		.help = "Writes one JSON object a line: requests (\"record\":\"request\") and "
			"connections (\"record\":\"connection\"). Read at start only.",
	},
	{
		.name = "exporters.jsonl.connections",
		.type = SONDE_CONFIG_BOOL,
		AT(jsonl.connections),
		.fallback = "true",
		.help = "A line for each connection too, when it has closed or failed. Read at "
			"start only.",
	},
	{
		.name = "exporters.jsonl.path",
		.type = SONDE_CONFIG_STRING,
		AT(jsonl.path),
		.fallback = "/var/log/sonde/requests.jsonl",
		.min = 1,
		.max = TEXT_MAX_BYTES,
		.check = check_output,
		.form = "the full path of a file, or - for standard output",
		.help = "Where the lines are written. Read at start only.",
	},
	{
		.name = "exporters.jsonl.max_bytes",
		.type = SONDE_CONFIG_BYTES64,
		AT(jsonl.max_bytes),
		.fallback = "64MiB",
		.min = 4 * KIB,
		.max = TIB,
		.or_zero = true,
		.help = "The file is set aside and begun anew when it would grow beyond this; 0 "
			"never does. Read at start only.",
	},
	{
		.name = "exporters.jsonl.max_files",
		.type = SONDE_CONFIG_U32,
		AT(jsonl.max_files),
		.fallback = "5",
		.max = 100,
		.help = "Files set aside that are kept; the oldest are deleted. Read at start "
			"only.",
	},
	{
		.name = "exporters.jsonl.queue_records",
		.type = SONDE_CONFIG_U32,
		AT(jsonl.queue_records),
		.fallback = "8192",
		.min = 16,
		.max = 1 << 20,
		.help = "Records that may wait to be written; further ones are dropped and "
			"counted. Read at start only.",
	},
	{
		.name = "daemon.user",
		.type = SONDE_CONFIG_STRING,
		AT(daemon.user),
		.fallback = "sonde",
		.min = 1,
		.max = NAME_MAX_BYTES,
		.form = "a user name",
		.help = "The user that the part of the daemon which handles bytes from the network "
			"runs as; nobody where there is no such user. Read at start only.",
	},
	{
		.name = "daemon.log_level",
		.type = SONDE_CONFIG_STRING,
		AT(daemon.log_level),
		.fallback = "info",
		.choices = level_choices,
		.help = "The least important messages that are logged. Read at start only.",
	},
};
const size_t sonde_n_config_keys = sizeof(sonde_config_keys) / sizeof(sonde_config_keys[0]);

_Static_assert(sizeof(sonde_config_keys) / sizeof(sonde_config_keys[0]) <= SONDE_CONFIG_KEYS_MAX,
	       "the parser's bitmaps hold every key");
