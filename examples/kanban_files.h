/* kanban_files.h: the files that belong to cards of kanban.c. */
static void stored(sse_req *req, const sse_body_file *file, void *user) {
    (void)user;
    if (file->error) return;                                     // and answered
    sse_set_attr(req, "file", strrchr(file->path, '/') + 1);
    sse_set_attr(req, "name", *file->filename ? file->filename : "a file");
    if (edit(req)) unlink(file->path);
}

static void attach(sse_req *req, void *user) {                   // POST /b/{board}/cards/{id}/files
    unsigned long long random;
    (void)user;
    if (sse_random(&random, sizeof random)) return;              // and 500 is the answer
    sse_body_to_file(req, sse_fmt(req, "kanban-files/%016llx", random), stored,
                     &(sse_body_file_options){ .field = "file" });
}

static void download(sse_req *req, void *user) {
    sse_rows *r = sse_db_query(db, "SELECT id, name FROM files WHERE id = %s",
                               sse_param(req, "id"));
    (void)user;
    if (sse_db_next(r)) sse_send_file(req, sse_fmt(req, "kanban-files/%s", sse_db_text(r, 0)),
                                      sse_fmt(req, "%s", sse_db_text(r, 1)));
    else sse_fail(req, 404, "there is no such file");
    sse_db_done(r);
}
