/* sse.h: for a server of the tests that is linked with an sse.o, which it shares with others: what
   is public, and the headers of the system that come with the implementation. */
#ifndef LINKED_SSE_H
#define LINKED_SSE_H
#undef SSE_IMPLEMENTATION
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../sse.h"
#endif
