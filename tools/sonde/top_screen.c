// SPDX-License-Identifier: Apache-2.0
/* The live table of `sonde top`, in curses. Text reaches the screen escaped, as everywhere. */
#include <ncurses.h>
#include <stdlib.h>

#include "agent/core/clock.h"
#include "tools/sonde/cli.h"
#include "tools/sonde/top.h"

enum { SCREEN_BYTES = 1 << 20, HEAD_LINES = 3, KEY_ESCAPE = 27 };

struct screen {
	struct sonde_top *top;
	uint64_t interval_ns, next_ns;
	bool paused, editing;
	size_t skip;
	int code;
	bool done;
};

static void put_line(int y, struct sonde_slice line)
{
	move(y, 0);
	clrtoeol();
	/* A byte is at most one column here, so this never cuts too little. */
	for (size_t n = line.len; n && sonde_text_width(sonde_slice_sub(line, 0, n)) > 0; n--) {
		if (sonde_text_width(sonde_slice_sub(line, 0, n)) > (size_t)COLS)
			continue;
		addnstr((const char *)line.ptr, (int)n);
		break;
	}
}

static void draw_lines(struct sonde_slice text)
{
	int y = HEAD_LINES - 1;

	while (text.len && y < LINES) {
		size_t end = sonde_slice_find(text, 0, '\n');

		if (y == HEAD_LINES - 1)
			attron(A_REVERSE);
		put_line(y++, sonde_slice_sub(text, 0, end));
		attroff(A_REVERSE);
		text = sonde_slice_from(text, end + 1);
	}
	move(y < LINES ? y : LINES - 1, 0);
	if (y < LINES)
		clrtobot();
}

static void draw(struct screen *s)
{
	struct sonde_buf b;

	sonde_buf_init(&b, SCREEN_BYTES);
	sonde_buf_put_str(&b, s->paused ? "sonde top (paused)  " : "sonde top  ");
	sonde_top_summary(s->top, &b);
	put_line(0, sonde_buf_slice(&b));
	put_line(1, s->editing ? SONDE_SLICE_LIT("type a part of a name; Enter: done")
			       : SONDE_SLICE_LIT("q quit  space pause  / filter  s next order  "
						 "r rate e errors l p99 b bytes n name"));
	sonde_buf_reset(&b);
	sonde_top_print(s->top, s->skip, LINES > HEAD_LINES ? (size_t)(LINES - HEAD_LINES) : 0, &b);
	draw_lines(sonde_buf_slice(&b));
	sonde_buf_fini(&b);
	refresh();
}

static void edit_filter(struct screen *s, int key)
{
	char *filter = s->top->filter;
	size_t len = strlen(filter);

	if (key == '\n' || key == '\r' || key == KEY_ENTER) {
		s->editing = false;
	} else if (key == KEY_ESCAPE) {
		s->editing = false;
		filter[0] = '\0';
	} else if ((key == KEY_BACKSPACE || key == 127 || key == 8) && len) {
		filter[len - 1] = '\0';
	} else if (key >= ' ' && key < 256 && key != 127 && len + 1 < SONDE_TOP_FILTER) {
		filter[len] = (char)key;
		filter[len + 1] = '\0';
	}
	s->skip = 0;
	sonde_top_arrange(s->top);
}

static void sort_by(struct screen *s, enum sonde_top_sort sort)
{
	s->top->sort = sort;
	sonde_top_arrange(s->top);
}

static void handle_key(struct screen *s, int key)
{
	switch (key) {
	case 'q':
		s->done = true;
		break;
	case ' ':
		s->paused = !s->paused;
		break;
	case '/':
		s->editing = true;
		break;
	case 's':
		sort_by(s, (enum sonde_top_sort)((s->top->sort + 1) % SONDE_TOP_SORTS));
		break;
	case 'r':
		sort_by(s, SONDE_TOP_RATE);
		break;
	case 'e':
		sort_by(s, SONDE_TOP_ERRORS);
		break;
	case 'l':
		sort_by(s, SONDE_TOP_P99);
		break;
	case 'b':
		sort_by(s, SONDE_TOP_BYTES);
		break;
	case 'n':
		sort_by(s, SONDE_TOP_NAME);
		break;
	case KEY_DOWN:
		s->skip += s->skip + 1 < sonde_top_n(s->top);
		break;
	case KEY_UP:
		s->skip -= s->skip > 0;
		break;
	default:
		break;
	}
}

static void step(struct screen *s)
{
	uint64_t now_ns = sonde_clock_mono_ns();
	int key;

	if (!s->paused && now_ns >= s->next_ns) {
		s->code = sonde_top_refresh(s->top);
		s->next_ns = now_ns + s->interval_ns;
		if (s->code != SONDE_EXIT_OK) {
			s->done = true;
			return;
		}
	}
	draw(s);
	timeout(s->paused ? -1 : (int)((s->next_ns - now_ns) / SONDE_NS_PER_MS) + 1);
	key = getch();
	if (key != ERR && s->editing)
		edit_filter(s, key);
	else if (key != ERR)
		handle_key(s, key);
	s->done |= sonde_interrupted();
}

int sonde_top_screen(struct sonde_top *t, uint64_t interval_ns)
{
	struct screen s = { .top = t, .interval_ns = interval_ns, .code = SONDE_EXIT_OK };
	SCREEN *terminal = newterm(NULL, stdout, stdin);

	if (!terminal) {
		sonde_complain("top: this terminal cannot be used (TERM); pipe the output instead");
		return SONDE_EXIT_FAILURE;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	while (!s.done)
		step(&s);
	endwin();
	delscreen(terminal);
	return s.code;
}
