// SPDX-License-Identifier: Apache-2.0
/* messages - the HTTP that conversations of several tests are made of. */
#ifndef SONDE_TESTS_UNIT_TRACK_MESSAGES_H
#define SONDE_TESTS_UNIT_TRACK_MESSAGES_H

#define LEN(text) (sizeof(text) - 1)

#define GET   "GET /a HTTP/1.1\r\nHost: shop\r\n\r\n"
#define GET_B "GET /b?q=1 HTTP/1.1\r\nHost: shop\r\n\r\n"
#define GET_C "GET /c HTTP/1.1\r\nHost: shop\r\n\r\n"
#define POST  "POST /up HTTP/1.1\r\nContent-Length: 1000\r\n\r\n"

#define OK_HEAD	 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
#define OK	 OK_HEAD "hello"
#define NO	 "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
#define BIG_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n"

/* What they become; TTFB and DURATION in milliseconds. */
#define WANT_GET(ttfb, duration)                                                                   \
	{                                                                                          \
		"GET", "/a", 200, SONDE_ERROR_NONE, ttfb, duration, LEN(GET), LEN(OK), 0, 5, false \
	}
#define WANT_GET_B(ttfb, duration)                                                             \
	{                                                                                      \
		"GET", "/b", 200, SONDE_ERROR_NONE, ttfb, duration, LEN(GET_B), LEN(OK), 0, 5, \
			false                                                                  \
	}
#define WANT_GET_C(ttfb, duration)                                                             \
	{                                                                                      \
		"GET", "/c", 200, SONDE_ERROR_NONE, ttfb, duration, LEN(GET_C), LEN(OK), 0, 5, \
			false                                                                  \
	}
/* Nobody answered. */
#define WANT_ERROR(error, duration)                                          \
	{                                                                    \
		"GET", "/a", 0, error, 0, duration, LEN(GET), 0, 0, 0, false \
	}

#endif
