/* rows.h: the database of a program under faults, and a row written by its thread. */
#ifndef ROWS_H
#define ROWS_H

static sse_db *db;

static void posted(sse_app *a, const sse_db_result *result, void *user) {
    (void)a;
    if (result->changes < 0) sse_fail((sse_req *)user, 503, "%s", result->error);
    sse_finish((sse_req *)user);
}

static void post(sse_req *req, void *user) { /* POST ?k=number */
    sse_db_post_options to = {sse_req_app(req), posted, req};
    (void)user;
    if (sse_db_post(db, &to, "INSERT INTO rows(k) VALUES(%s)", sse_query(req, "k")) == SSE_OK)
        sse_defer(req);
}
#endif
