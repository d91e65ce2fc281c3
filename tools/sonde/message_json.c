// SPDX-License-Identifier: Apache-2.0
#include "tools/sonde/message_json.h"

#include "exporters/json.h"

static void put_double(struct sonde_buf *b, double v)
{
	/* JSON knows neither NaN nor infinity. */
	if (__builtin_isfinite(v))
		sonde_buf_put_double(b, v);
	else
		sonde_buf_put_str(b, "null");
}

static void put_enum(struct sonde_buf *b, const ProtobufCEnumDescriptor *e, int value)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(e, value);

	if (v)
		sonde_json_string(b, sonde_slice_str(v->name));
	else
		sonde_buf_put_i64(b, value);
}

static void put_value(struct sonde_buf *b, const ProtobufCFieldDescriptor *f, const void *at)
{
	const ProtobufCBinaryData *bytes = at;

	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		sonde_buf_put_i64(b, *(const int32_t *)at);
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		sonde_buf_put_u64(b, *(const uint32_t *)at);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		sonde_buf_put_i64(b, *(const int64_t *)at);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		sonde_buf_put_u64(b, *(const uint64_t *)at);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		sonde_buf_put_str(b, *(const protobuf_c_boolean *)at ? "true" : "false");
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		put_double(b, (double)*(const float *)at);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		put_double(b, *(const double *)at);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		put_enum(b, f->descriptor, *(const int *)at);
		break;
	case PROTOBUF_C_TYPE_STRING:
		sonde_json_string(b, sonde_slice_str(*(char *const *)at));
		break;
	case PROTOBUF_C_TYPE_BYTES:
		sonde_json_string(b, sonde_slice_of(bytes->data, bytes->len));
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		sonde_message_json(b, *(const ProtobufCMessage *const *)at);
		break;
	}
}

static size_t size_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_ENUM:
		return 4;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	default:
		return 8;
	}
}

static void put_list(struct sonde_buf *b, const ProtobufCFieldDescriptor *f, size_t n,
		     const char *items)
{
	sonde_buf_put_byte(b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			sonde_buf_put_byte(b, ',');
		put_value(b, f, items + i * size_of(f->type));
	}
	sonde_buf_put_byte(b, ']');
}

static bool is_there(const ProtobufCFieldDescriptor *f, const char *base)
{
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)(const void *)(base + f->quantifier_offset) == f->id;
	if (f->label == PROTOBUF_C_LABEL_REPEATED || f->type != PROTOBUF_C_TYPE_MESSAGE)
		return true;
	return *(void *const *)(const void *)(base + f->offset) != NULL;
}

void sonde_message_json(struct sonde_buf *b, const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *d = message->descriptor;
	const char *base = (const char *)message;
	bool first = true;

	sonde_buf_put_byte(b, '{');
	for (unsigned int i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		const void *at = base + f->offset;

		if (!is_there(f, base))
			continue;
		if (!first)
			sonde_buf_put_byte(b, ',');
		first = false;
		sonde_json_string(b, sonde_slice_str(f->name));
		sonde_buf_put_byte(b, ':');
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			put_list(b, f, *(const size_t *)(const void *)(base + f->quantifier_offset),
				 *(const char *const *)at);
		else
			put_value(b, f, at);
	}
	sonde_buf_put_byte(b, '}');
}
