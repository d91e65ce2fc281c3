// SPDX-License-Identifier: Apache-2.0
#include "agent/core/escape.h"

/* Decodes one UTF-8 sequence (RFC 3629: shortest form, no surrogates). 0 when S[I] starts none. */
static size_t decode_utf8(struct sonde_slice s, size_t i, uint32_t *out)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t lead = s.ptr[i];
	uint32_t code;
	size_t len;

	if (lead < 0x80) {
		*out = lead;
		return 1;
	}
	len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
	if (lead < 0xc2 || lead > 0xf4 || s.len - i < len)
		return 0;
	code = lead & (0xffu >> (len + 1));
	for (size_t k = 1; k < len; k++) {
		if ((s.ptr[i + k] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s.ptr[i + k] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*out = code;
	return len;
}

static bool is_harmful(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x61c || code == 0x200e ||
	       code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

size_t sonde_escape_char(struct sonde_slice s, size_t i)
{
	uint32_t code;
	size_t len;

	if (i >= s.len)
		return 0;
	len = decode_utf8(s, i, &code);
	return len && !is_harmful(code) ? len : 0;
}

/* The end of the run at I that needs no escape: harmless, and none of the bytes in SPECIAL. */
static size_t plain_run(struct sonde_slice s, size_t i, const char *special)
{
	while (i < s.len) {
		size_t len = sonde_escape_char(s, i);

		if (!len || (len == 1 && strchr(special, s.ptr[i])))
			break;
		i += len;
	}
	return i;
}

void sonde_escape_terminal(struct sonde_buf *b, struct sonde_slice s)
{
	for (size_t i = 0; i < s.len;) {
		size_t end = plain_run(s, i, "");

		sonde_buf_put_slice(b, sonde_slice_sub(s, i, end - i));
		for (i = end; i < s.len && !sonde_escape_char(s, i); i++)
			sonde_buf_printf(b, "\\x%02x", s.ptr[i]);
	}
}

void sonde_escape_json(struct sonde_buf *b, struct sonde_slice s)
{
	for (size_t i = 0; i < s.len;) {
		size_t end = plain_run(s, i, "\"\\");

		sonde_buf_put_slice(b, sonde_slice_sub(s, i, end - i));
		if (end == s.len)
			return;
		if (s.ptr[end] == '"' || s.ptr[end] == '\\') {
			sonde_buf_put_byte(b, '\\');
			sonde_buf_put_byte(b, s.ptr[end]);
		} else {
			sonde_buf_printf(b, "\\u%04x", s.ptr[end]);
		}
		i = end + 1;
	}
}

void sonde_escape_label(struct sonde_buf *b, struct sonde_slice s)
{
	for (size_t i = 0; i < s.len;) {
		size_t end = plain_run(s, i, "\"\\");

		sonde_buf_put_slice(b, sonde_slice_sub(s, i, end - i));
		if (end == s.len)
			return;
		if (s.ptr[end] == '\n') {
			sonde_buf_put_str(b, "\\n");
		} else if (s.ptr[end] == '"' || s.ptr[end] == '\\') {
			sonde_buf_put_byte(b, '\\');
			sonde_buf_put_byte(b, s.ptr[end]);
		} else {
			sonde_buf_put_str(b, "\xef\xbf\xbd");
		}
		i = end + 1;
	}
}
