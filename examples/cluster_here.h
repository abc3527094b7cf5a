/* cluster_here.h: who is there, for cluster.c: a key for each node, which expires with it. */
static sse_buf here;                                             // HTML: who is there

static bool add_name(const char *who, sse_stream s, void *html) {
    (void)s;
    sse_html(html, "<li>%s <small>%d</small></li>", who, node);
    return true;
}

static void told(redisAsyncContext *to, void *reply, void *user) {
    redisReply *r = redis_good(to, reply);
    sse_buf html = {0};
    (void)user;
    for (size_t i = 0; r && i < r->elements; i++) sse_puts(&html, r->element[i]->str);
    if (r && strcmp(sse_buf_text(&here), sse_buf_text(&html)) != 0) {
        sse_publish(asks.app, "chat", &(sse_event){ .event = "here", .data = sse_buf_text(&html) });
        sse_buf_free(&here);
        here = html;
    } else sse_buf_free(&html);
}

static void tell(sse_app *app, void *user) {                     // once a second
    sse_buf html = {0};
    (void)user;
    sse_topic_who(app, "chat", add_name, &html);
    if (asks.to) {
        redisAsyncCommand(asks.to, NULL, NULL, "SET here:%d %s EX 3", node, sse_buf_text(&html));
        redisAsyncCommand(asks.to, told, NULL, "MGET here:1 here:2 here:3 here:4 here:5 here:6 "
                                               "here:7 here:8 here:9");
    }
    sse_buf_free(&html);
}
