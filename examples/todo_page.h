/* todo_page.h: the HTML of todo.c that does not vary. */
static const char page_head[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>To do</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<link rel=\"icon\" href=\"data:,\"><script type=\"module\" src=\"/datastar.js\"></script>\n"
    "<style>:root { color-scheme: light dark; --paper: light-dark(#f7f4ef, #191613);\n"
    "  --card: light-dark(#fff, #27221d); --soft: light-dark(#6b6257, #a69c8f);\n"
    "  --accent: light-dark(#a3471b, #f0a070); background: var(--paper) }\n"
    "body { margin: 0 auto; max-width: 32rem; padding: 1rem; font: 1rem/1.5 system-ui }\n"
    "header, li form, #add { display: flex; gap: .5rem; align-items: baseline; margin: .5rem 0 }\n"
    "h1 { font-size: 1.3rem; flex: 1; margin: 0 } ul { list-style: none; padding: 0 }\n"
    "input, button { font: inherit; color: inherit; border: 0; border-radius: .6rem;\n"
    "  padding: .6rem .8rem; background: var(--card) } label { display: block; margin: .7rem 0 }\n"
    "input { width: 100%; box-sizing: border-box } ul:empty::after { content: 'Nothing to do.' }\n"
    "[aria-pressed] { flex: 1; min-width: 0; text-align: left; overflow-wrap: anywhere }\n"
    "[aria-pressed]::before { content: '\\2610\\a0\\a0' / '' }\n"
    "[aria-pressed=true]::before { content: '\\2611\\a0\\a0' / '' }\n"
    "[aria-pressed=true], ::placeholder { color: var(--soft); opacity: 1 }\n"
    ".main { background: var(--accent); color: var(--paper); font-weight: 600 }\n"
    "[role] { color: var(--accent); position: sticky; bottom: 1rem; background: var(--paper) }\n"
    ":focus-visible { outline: 2px solid var(--accent) }</style></head><body ";

static const char page_login[] =
    "</header><form method=\"post\" action=\"/login\"><label>Name\n"
    "<input name=\"name\" maxlength=\"40\" autocomplete=\"username\" required></label>\n"
    "<label>Password, 8 characters or more <input name=\"password\" type=\"password\"\n"
    "  minlength=\"8\" autocomplete=\"current-password\" required></label>\n"
    "<button class=\"main\">Log in</button> <button formaction=\"/join\">Join</button></form>\n";

static const char page_form[] =
    "<form method=\"post\" action=\"/todo/logout\"><button>Log out</button></form></header>\n"
    "<form id=\"add\" method=\"post\" action=\"/todo\" data-signals=\"{title: ''}\"\n"
    "  data-on:submit__prevent=\"$_offline || @post('/todo', {retry: 'never'})\">\n"
    "<input name=\"title\" data-bind:title aria-label=\"Title\" placeholder=\"What is to do?\"\n"
    "  maxlength=\"200\" required autofocus><button class=\"main\">Add</button></form>\n";
