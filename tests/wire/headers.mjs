// What clients send, taken down from the clients themselves on 2026-11-26: each asked a server of
// node's that wrote down what came. Left as it came, but for the port, and for Content-Length,
// which belongs to a body.
//   Chromium 156 (headless)   Firefox 153 ESR (headless)   node 20   curl 7.88   nginx 1.22
//   Caddy 2.6.2   Datastar 1.0.2   htmx 2.0.11 with htmx-ext-sse 2.2.4
//   htmx 4.0.1 with its hx-sse   @microsoft/fetch-event-source 2.0.1   eventsource 3.0.7 (node)

const fields = text => text.trim().split('\n').map(line => line.trim())

const chromium = `
  Connection: keep-alive
  sec-ch-ua-platform: "Linux"
  User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ` +
  `HeadlessChrome/156.0.0.0 Safari/537.36
  sec-ch-ua: "Not:A-Brand";v="8", "Chromium";v="156"
  sec-ch-ua-mobile: ?0
  Sec-Fetch-Site: same-origin
  Referer: http://localhost/
  Accept-Encoding: gzip, deflate, br, zstd
  Accept-Language: en-US,en;q=0.9`

const firefox = `
  User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0
  Accept-Language: en-US,en;q=0.9
  Accept-Encoding: gzip, deflate, br, zstd
  Referer: http://localhost/
  Connection: keep-alive
  Sec-Fetch-Site: same-origin
  Priority: u=4`

const node = `
  connection: keep-alive
  accept-language: *
  sec-fetch-mode: cors
  user-agent: node
  accept-encoding: gzip, deflate`

const cors = `
  Sec-Fetch-Mode: cors
  Sec-Fetch-Dest: empty`

const page = `
  Upgrade-Insecure-Requests: 1
  Sec-Fetch-Mode: navigate
  Sec-Fetch-User: ?1
  Sec-Fetch-Dest: document`

const no_cache = `
  Pragma: no-cache
  Cache-Control: no-cache`

const origin = `
  Origin: http://localhost`

const events = `
  Accept: text/event-stream`

const anything = `
  Accept: */*`

const datastar = `
  Datastar-Request: true
  Accept: text/event-stream, text/html, application/json`

const htmx2 = `
  HX-Request: true
  HX-Trigger: go
  HX-Target: go
  HX-Current-URL: http://localhost/
  Accept: */*`

const htmx4 = `
  HX-Request: true
  HX-Request-Type: partial
  HX-Source: div#go
  HX-Target: div#go
  HX-Current-URL: http://localhost/
  Accept: text/html, text/event-stream
  Sec-Fetch-Mode: same-origin
  Sec-Fetch-Dest: empty`

const json = `
  Content-Type: application/json`

const form = `
  Content-Type: application/x-www-form-urlencoded`

const chromium_page = `
  Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/jxl,image/avif,image/webp,` +
  'image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7'
const firefox_page = `
  Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8`

const client = (name, method, text, body) => ({ name, method, fields: fields(text), body })

const both = (browser, common, accept_page) => [
  client(`${browser}: a page`, 'GET', common + accept_page + page),
  client(`${browser}: a form`, 'POST', common + accept_page + page + origin + form, 'text=hi'),
  // the extension has no other
  client(`${browser}: EventSource, htmx 2 sse`, 'GET', common + events + cors + no_cache),
  client(`${browser}: fetch`, 'GET', common + anything + cors),
  client(`${browser}: fetch, POST`, 'POST', common + anything + cors + origin + json, '{}'),
  client(`${browser}: Datastar @get`, 'GET', common + datastar + cors),
  client(`${browser}: Datastar @post`, 'POST', common + datastar + cors + origin + json,
    '{"text":"hi"}'),
  client(`${browser}: htmx 2 hx-get`, 'GET', common + htmx2 + cors),
  client(`${browser}: htmx 2 hx-post`, 'POST', common + htmx2 + cors + origin + form, ''),
  client(`${browser}: htmx 4 hx-sse`, 'GET', common + htmx4),
  client(`${browser}: htmx 4 hx-post`, 'POST',
    common + htmx4 + origin + form + ';charset=UTF-8', ''),
  client(`${browser}: fetch-event-source`, 'GET', common + '\n accept: text/event-stream' + cors),
]

export const clients = [
  ...both('Chromium', chromium, chromium_page),
  ...both('Firefox', firefox, firefox_page),
  client('node: eventsource', 'GET', node + events + no_cache),
  client('node: fetch', 'GET', node + '\n accept: */*'),
  client('curl', 'GET', '\n User-Agent: curl/7.88.1' + anything),
  client('curl -d', 'POST', '\n User-Agent: curl/7.88.1' + anything + form, 'a=b'),
  client('curl --json', 'POST',
    '\n User-Agent: curl/7.88.1\n Content-Type: application/json\n Accept: application/json', '{}'),
]
