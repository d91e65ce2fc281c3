// SPDX-License-Identifier: Apache-2.0
#include "agent/daemon/config_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

enum { LOOPBACK_NET = 127 };

/* Cuts TEXT at its last colon. NULL, or what is wrong. */
static const char *split(struct sonde_slice text, char host[INET6_ADDRSTRLEN], uint16_t *port)
{
	size_t colon = text.len;
	uint64_t v;

	while (colon && text.ptr[colon - 1] != ':')
		colon--;
	if (!colon)
		return "has no port";
	if (sonde_slice_u64(sonde_slice_from(text, colon), 10, &v) || v < 1 || v > UINT16_MAX)
		return "has no port from 1 to 65535";
	if (colon - 1 >= INET6_ADDRSTRLEN)
		return "has no numeric IP address";
	memcpy(host, text.ptr, colon - 1);
	host[colon - 1] = '\0';
	*port = (uint16_t)v;
	return NULL;
}

/* Takes the brackets off "[...]" in place; false when there are none. */
static bool unbracket(char *host)
{
	size_t len = strlen(host);

	if (len < 2 || host[0] != '[' || host[len - 1] != ']')
		return false;
	memmove(host, host + 1, len - 2);
	host[len - 2] = '\0';
	return true;
}

static const char *parse(struct sonde_slice text, struct sockaddr_storage *out, socklen_t *len)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	char host[INET6_ADDRSTRLEN];
	uint16_t port;
	const char *wrong = split(text, host, &port);

	if (wrong)
		return wrong;
	*out = (struct sockaddr_storage){ 0 };
	if (unbracket(host)) {
		if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1)
			return "has no numeric IPv6 address";
		in6.sin6_port = htons(port);
		memcpy(out, &in6, sizeof(in6));
		*len = sizeof(in6);
		return NULL;
	}
	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return "has no numeric IP address";
	in.sin_port = htons(port);
	memcpy(out, &in, sizeof(in));
	*len = sizeof(in);
	return NULL;
}

const char *sonde_config_address_check(struct sonde_slice text)
{
	struct sockaddr_storage address;
	socklen_t len;

	return parse(text, &address, &len);
}

int sonde_config_address_parse(struct sonde_slice text, struct sockaddr_storage *out,
			       socklen_t *len)
{
	struct sockaddr_storage address;
	socklen_t address_len;

	if (parse(text, &address, &address_len))
		return -EINVAL;
	*out = address;
	*len = address_len;
	return 0;
}

bool sonde_config_address_is_loopback(const struct sockaddr_storage *address)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (address->ss_family == AF_INET) {
		memcpy(&in, address, sizeof(in));
		return ntohl(in.sin_addr.s_addr) >> 24 == LOOPBACK_NET;
	}
	memcpy(&in6, address, sizeof(in6));
	if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
		return in6.sin6_addr.s6_addr[12] == LOOPBACK_NET;
	return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
}
