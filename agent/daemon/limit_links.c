// SPDX-License-Identifier: Apache-2.0
/* Interfaces come and go: rtnetlink says so, and what rules are for is watched again. */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/core/clock.h"
#include "agent/daemon/limiter_internal.h"

enum { MESSAGE_BYTES = 32768 };
#define RETRY_NS (500 * SONDE_NS_PER_MS) /* of an interface that could not be attached */

/* What it says does not matter, only that something has changed: the names are looked up anew. */
static void links_ready(struct sonde_watch *w, uint32_t events)
{
	struct sonde_limit_links *links = sonde_container_of(w, struct sonde_limit_links, watch);
	char message[MESSAGE_BYTES];
	bool any = false;

	(void)events;
	for (int i = 0; i < 64; i++) {
		ssize_t n = recv(w->fd, message, sizeof(message), MSG_DONTWAIT);

		/* ENOBUFS: some were lost, which is a change too. */
		if (n < 0 && errno != ENOBUFS)
			break;
		any = true;
	}
	if (any)
		links->changed(links);
}

int sonde_limit_links_open(struct sonde_loop *loop, struct sonde_limit_links *links)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int err;

	links->watch.ready = links_ready;
	links->watch.fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (links->watch.fd < 0)
		return -errno;
	err = bind(links->watch.fd, (const struct sockaddr *)&address, sizeof(address)) ? -errno
											: 0;
	if (!err)
		err = sonde_loop_add(loop, &links->watch, EPOLLIN);
	if (err) {
		close(links->watch.fd);
		links->watch.fd = -1;
	}
	return err;
}

void sonde_limit_links_close(struct sonde_loop *loop, struct sonde_limit_links *links)
{
	if (links->watch.fd < 0)
		return;
	sonde_loop_remove(loop, &links->watch);
	close(links->watch.fd);
	links->watch.fd = -1;
}

/* ---- ports ---------------------------------------------------------------------------------- */

static struct sonde_limit_port *find_port(struct sonde_limiter *l, const char *name)
{
	for (size_t i = 0; i < l->n_ports; i++)
		if (strcmp(l->ports[i].view.name, name) == 0)
			return &l->ports[i];
	return NULL;
}

static bool is_wanted(const struct sonde_limiter *l, const char *name)
{
	for (uint32_t i = 0; i < l->set->n_entries; i++)
		if (!l->set->entries[i].ended && strcmp(l->set->entries[i].spec.iface, name) == 0)
			return true;
	return false;
}

static bool may_be_generic(const struct sonde_limiter *l, const char *name)
{
	const struct sonde_string_list *list = &l->config->limit.generic;

	for (size_t i = 0; i < list->n_items; i++)
		if (strcmp(list->items[i], name) == 0)
			return true;
	return false;
}

static void drop_port(struct sonde_limiter *l, size_t i)
{
	if (l->kernel && l->ports[i].view.mode != SONDE_LIMIT_MODE_NONE)
		sonde_limit_kernel_detach(l->kernel, &l->ports[i].view);
	l->ports[i] = l->ports[--l->n_ports];
}

/* It is watched from NOW_NS on; for how long it was not is counted. */
static void end_gap(struct sonde_limit_port *p, uint64_t now_ns)
{
	if (!p->bare_ns)
		return;
	p->view.gap_ns += now_ns - p->bare_ns;
	p->bare_ns = 0;
}

static int mtu_of(const struct sonde_limiter *l, const char *name)
{
	struct ifreq request = { .ifr_mtu = 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(l->links.watch.fd, SIOCGIFMTU, &request) ? 0 : request.ifr_mtu;
}

/* Another MTU may need another variant of the program. */
static void follow_mtu(struct sonde_limiter *l, struct sonde_limit_port *p)
{
	struct sonde_limit_iface_view fresh = p->view;
	int mtu = mtu_of(l, p->view.name);

	if (mtu == p->mtu)
		return;
	p->mtu = mtu;
	/* Should it not work, what is there goes on. */
	if (sonde_limit_kernel_attach(l->kernel, may_be_generic(l, p->view.name), &fresh))
		sonde_log(SONDE_LOG_WARN, "limit: %s: MTU %d: %s", p->view.name, mtu, fresh.note);
	else
		p->view = fresh;
}

static void attach(struct sonde_limiter *l, struct sonde_limit_port *p, uint64_t now_ns)
{
	bool first = !p->tried_ns;
	char before[SONDE_LIMIT_NOTE];
	int err;

	if (!l->kernel || (p->tried_ns && now_ns - p->tried_ns < RETRY_NS && p->view.note[0]))
		return;
	p->tried_ns = now_ns;
	memcpy(before, p->view.note, sizeof(before));
	p->view.note[0] = '\0';
	err = sonde_limit_kernel_attach(l->kernel, may_be_generic(l, p->view.name), &p->view);
	if (!err) {
		end_gap(p, sonde_clock_mono_ns());
		p->was_watched = true;
		p->mtu = mtu_of(l, p->view.name);
		sonde_log(SONDE_LOG_INFO, "limit: %s: attached, %s XDP", p->view.name,
			  p->view.mode == SONDE_LIMIT_MODE_GENERIC ? "generic" : "native");
	} else if (first || strcmp(before, p->view.note) != 0) {
		sonde_log(SONDE_LOG_WARN, "limit: %s: %s; its rules wait", p->view.name,
			  p->view.note);
	}
}

/* The interface of this name is now INDEX, which is another one or none. */
static void renumber(struct sonde_limiter *l, struct sonde_limit_port *p, uint32_t index,
		     uint64_t now_ns)
{
	if (p->view.mode != SONDE_LIMIT_MODE_NONE) {
		sonde_limit_kernel_detach(l->kernel, &p->view);
		sonde_log(SONDE_LOG_WARN, "limit: %s: the interface has gone", p->view.name);
	}
	p->view.ifindex = index;
	p->view.note[0] = '\0';
	p->tried_ns = 0;
	/* The first time that it is there, there is no gap in anything. */
	if (index && p->was_watched) {
		p->view.gaps++;
		p->bare_ns = now_ns;
	}
	if (!index) {
		end_gap(p, now_ns);
		snprintf(p->view.note, sizeof(p->view.note), "there is no such interface");
	}
}

static void add_ports(struct sonde_limiter *l)
{
	for (uint32_t i = 0; i < l->set->n_entries; i++) {
		const struct sonde_limit_entry *e = &l->set->entries[i];
		struct sonde_limit_port *p;

		if (e->ended || find_port(l, e->spec.iface) || l->n_ports == SONDE_LIMIT_IFACES)
			continue;
		p = &l->ports[l->n_ports++];
		*p = (struct sonde_limit_port){ .bare_ns = 0 };
		memcpy(p->view.name, e->spec.iface, sizeof(p->view.name));
		snprintf(p->view.note, sizeof(p->view.note), "there is no such interface");
	}
}

bool sonde_limiter_find_ports(struct sonde_limiter *l)
{
	uint64_t now_ns = sonde_clock_mono_ns();
	bool changed = false;

	for (size_t i = 0; i < l->n_ports;)
		if (is_wanted(l, l->ports[i].view.name))
			i++;
		else
			drop_port(l, i);
	add_ports(l);
	for (size_t i = 0; i < l->n_ports; i++) {
		struct sonde_limit_port *p = &l->ports[i];
		uint32_t index = if_nametoindex(p->view.name);

		if (index != p->view.ifindex)
			renumber(l, p, index, now_ns);
		if (index && index != p->last_index) {
			p->last_index = index;
			changed = true;
		}
	}
	return changed;
}

/* A reload may have taken back that it may be generic. */
static void withdraw(struct sonde_limiter *l, struct sonde_limit_port *p)
{
	if (p->view.mode != SONDE_LIMIT_MODE_GENERIC || may_be_generic(l, p->view.name))
		return;
	sonde_limit_kernel_detach(l->kernel, &p->view);
	p->tried_ns = 0;
}

void sonde_limiter_attach_ports(struct sonde_limiter *l)
{
	uint64_t now_ns = sonde_clock_mono_ns();

	for (size_t i = 0; i < l->n_ports; i++) {
		struct sonde_limit_port *p = &l->ports[i];

		withdraw(l, p);
		if (p->view.ifindex && p->view.mode == SONDE_LIMIT_MODE_NONE)
			attach(l, p, now_ns);
		else if (p->view.ifindex)
			follow_mtu(l, p);
	}
}
