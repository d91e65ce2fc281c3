// SPDX-License-Identifier: Apache-2.0
/*
 * Every entry is on up to two lists: one of {queued, asked} while its question is open, and `idle`
 * while nobody holds it. The head of each list is what has waited longest, so asking, giving up and
 * evicting all begin there.
 */
#include "agent/meta/processes.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/core/hash.h"
#include "agent/core/table.h"

struct link {
	struct link *prev, *next;
};

enum question {
	QUESTION_NONE = 0,
	QUESTION_QUEUED = 1,
	QUESTION_ASKED = 2,
	QUESTION_GIVEN_UP = 3, /* on no list; an answer that comes late is still welcome */
};

struct entry {
	struct sonde_process process; /* first: people hold pointers to it */
	struct link question_link;    /* on queued or asked while in that state */
	struct link idle_link;	      /* on idle while refs is 0 */
	uint64_t key;
	uint64_t asked_ns;
	enum question question;
};

struct sonde_processes {
	struct sonde_table *table;
	struct sonde_workloads *workloads; /* borrowed; may be NULL */
	struct link queued, asked, idle;   /* heads of rings */
	size_t max, n_idle, n_idle_max, n_questions;
	uint64_t overflowed, evicted, given_up;
	struct sonde_process nobody; /* shared when the table is full; never ends */
};

/* ---- rings of links ---- */

static void ring_init(struct link *head)
{
	head->prev = head->next = head;
}

static void link_insert(struct link *l, struct link *before)
{
	l->next = before;
	l->prev = before->prev;
	before->prev->next = l;
	before->prev = l;
}

static void link_remove(struct link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	l->prev = l->next = NULL;
}

#define ENTRY_OF(ptr, member) ((struct entry *)((char *)(ptr)-offsetof(struct entry, member)))

static struct entry *first_of_questions(struct link *head)
{
	return head->next == head ? NULL : ENTRY_OF(head->next, question_link);
}

/* ---- the table ---- */

static uint64_t key_of(uint32_t pid, uint64_t start_ns, uint64_t cgroup_id)
{
	return sonde_hash_u64(pid ^ sonde_hash_u64(start_ns ^ sonde_hash_u64(cgroup_id)));
}

static bool is_same(const struct sonde_process *p, uint32_t pid, uint64_t start_ns,
		    uint64_t cgroup_id)
{
	return p->pid == pid && p->start_ns == start_ns && p->cgroup_id == cgroup_id;
}

static struct entry *find(const struct sonde_processes *t, uint32_t pid, uint64_t start_ns,
			  uint64_t cgroup_id)
{
	struct entry *e = sonde_table_find(t->table, key_of(pid, start_ns, cgroup_id));

	return e && is_same(&e->process, pid, start_ns, cgroup_id) ? e : NULL;
}

int sonde_processes_new(size_t max, struct sonde_processes **out)
{
	struct sonde_processes *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	err = sonde_table_new(max, sizeof(struct entry), &t->table);
	if (err) {
		free(t);
		return err;
	}
	ring_init(&t->queued);
	ring_init(&t->asked);
	ring_init(&t->idle);
	t->max = max;
	t->n_idle_max = (max + 3) / 4;
	t->nobody.resolved = true;
	*out = t;
	return 0;
}

void sonde_processes_free(struct sonde_processes *t)
{
	struct entry *e;
	size_t cursor = 0;
	uint64_t key;

	if (!t)
		return;
	while ((e = sonde_table_next(t->table, &cursor, &key)))
		sonde_workload_put(e->process.workload);
	sonde_table_free(t->table);
	free(t);
}

static void end_question(struct sonde_processes *t, struct entry *e)
{
	if (e->question == QUESTION_QUEUED || e->question == QUESTION_ASKED) {
		link_remove(&e->question_link);
		t->n_questions--;
	}
	e->question = QUESTION_NONE;
}

static void evict_oldest(struct sonde_processes *t)
{
	struct entry *e = ENTRY_OF(t->idle.next, idle_link);

	end_question(t, e);
	link_remove(&e->idle_link);
	t->n_idle--;
	t->evicted++;
	sonde_workload_put(e->process.workload);
	sonde_table_remove(t->table, e->key);
}

static struct sonde_process *get_nobody(struct sonde_processes *t)
{
	t->overflowed++;
	t->nobody.refs++;
	return &t->nobody;
}

static void fill(struct sonde_processes *t, struct entry *e, uint64_t key)
{
	e->key = key;
	if (!e->process.pid && !e->process.cgroup_id) {
		e->process.resolved = true;
		return;
	}
	e->question = QUESTION_QUEUED;
	link_insert(&e->question_link, &t->queued);
	t->n_questions++;
}

static void set_comm(struct sonde_process *p, struct sonde_slice comm)
{
	size_t n = sonde_slice_find(sonde_slice_sub(comm, 0, SONDE_COMM_LEN - 1), 0, '\0');

	if (n)
		memcpy(p->comm, comm.ptr, n);
	p->comm[n] = '\0';
}

/* A process that the table does not know yet. NULL: no room, or another one has its key. */
static struct entry *add(struct sonde_processes *t, uint32_t pid, uint64_t start_ns,
			 uint64_t cgroup_id, struct sonde_slice comm)
{
	uint64_t key = key_of(pid, start_ns, cgroup_id);
	struct entry *e;
	bool added;

	if (sonde_table_len(t->table) == t->max && t->n_idle)
		evict_oldest(t);
	e = sonde_table_get(t->table, key, &added);
	if (!e || !added)
		return NULL;
	e->process.pid = pid;
	e->process.start_ns = start_ns;
	e->process.cgroup_id = cgroup_id;
	if (pid)
		set_comm(&e->process, comm);
	fill(t, e, key);
	return e;
}

struct sonde_process *sonde_processes_get(struct sonde_processes *t, uint32_t pid,
					  uint64_t start_ns, uint64_t cgroup_id,
					  struct sonde_slice comm)
{
	struct entry *e;

	if (!pid)
		start_ns = 0;
	e = find(t, pid, start_ns, cgroup_id);
	if (!e) {
		e = add(t, pid, start_ns, cgroup_id, comm);
		if (!e)
			return get_nobody(t);
	} else if (!e->process.refs) {
		link_remove(&e->idle_link);
		t->n_idle--;
	}
	e->process.refs++;
	return &e->process;
}

struct sonde_process *sonde_processes_hold(struct sonde_process *p)
{
	p->refs++;
	return p;
}

void sonde_processes_put(struct sonde_processes *t, struct sonde_process *p)
{
	struct entry *e;

	if (!p || !p->refs || --p->refs || p == &t->nobody)
		return;
	e = ENTRY_OF(p, process);
	link_insert(&e->idle_link, &t->idle);
	if (++t->n_idle > t->n_idle_max)
		evict_oldest(t);
}

/* ---- workloads ---- */

/* Gives P what is known of its container. True: that is something else than before. */
static bool look_up(struct sonde_processes *t, struct sonde_process *p)
{
	struct sonde_workload *w = t->workloads ? sonde_workloads_find(t->workloads, p) : NULL;

	if (!w || w == p->workload)
		return false;
	sonde_workload_put(p->workload);
	p->workload = sonde_workload_hold(w);
	p->service_key = 0; /* the name it had is not the name any more */
	return true;
}

void sonde_processes_use(struct sonde_processes *t, struct sonde_workloads *workloads)
{
	t->workloads = workloads;
}

size_t sonde_processes_refresh(struct sonde_processes *t)
{
	size_t cursor = 0, n = 0;
	struct entry *e;
	uint64_t key;

	while ((e = sonde_table_next(t->table, &cursor, &key)))
		n += look_up(t, &e->process);
	return n;
}

/* ---- questions ---- */

static void move_question(struct entry *e, enum question state, struct link *before)
{
	link_remove(&e->question_link);
	link_insert(&e->question_link, before);
	e->question = state;
}

bool sonde_processes_next_question(struct sonde_processes *t, uint64_t now_ns,
				   struct sonde_process_question *out)
{
	struct entry *e = first_of_questions(&t->queued);

	if (!e)
		return false;
	move_question(e, QUESTION_ASKED, &t->asked);
	e->asked_ns = now_ns;
	*out = (struct sonde_process_question){
		.pid = e->process.pid,
		.start_ns = e->process.start_ns,
		.cgroup_id = e->process.cgroup_id,
	};
	return true;
}

void sonde_processes_unask(struct sonde_processes *t, const struct sonde_process_question *q)
{
	struct entry *e = find(t, q->pid, q->start_ns, q->cgroup_id);

	if (e && e->question == QUESTION_ASKED)
		move_question(e, QUESTION_QUEUED, t->queued.next);
}

struct sonde_process *sonde_processes_answer(struct sonde_processes *t,
					     const struct sonde_identity *identity)
{
	struct entry *e = find(t, identity->pid, identity->start_ns, identity->cgroup_id);

	if (!e || e->question == QUESTION_NONE)
		return NULL;
	end_question(t, e);
	sonde_identity_apply(identity, &e->process);
	look_up(t, &e->process);
	return &e->process;
}

size_t sonde_processes_give_up(struct sonde_processes *t, uint64_t before_ns)
{
	struct entry *e;
	size_t n = 0;

	for (; (e = first_of_questions(&t->asked)) && e->asked_ns <= before_ns; n++) {
		end_question(t, e);
		e->question = QUESTION_GIVEN_UP;
		e->process.resolved = true;
	}
	t->given_up += n;
	return n;
}

void sonde_processes_ask_again(struct sonde_processes *t)
{
	while (t->asked.prev != &t->asked)
		move_question(ENTRY_OF(t->asked.prev, question_link), QUESTION_QUEUED,
			      t->queued.next);
}

void sonde_processes_stats(const struct sonde_processes *t, struct sonde_processes_stats *out)
{
	*out = (struct sonde_processes_stats){
		.entries = sonde_table_len(t->table),
		.idle = t->n_idle,
		.questions = t->n_questions,
		.overflowed = t->overflowed,
		.evicted = t->evicted,
		.given_up = t->given_up,
		.memory_bytes = sonde_table_memory(t->table) + sizeof(*t),
	};
}
