// What tests/bench/peers.c asks of a server, by node's http: /hello, and /events with as many
// events of 1 KB for all as a byte on standard input says.
import http from 'node:http';

const event = Buffer.from(`data: ${'0'.repeat(1016)}\n\n`);
const watching = new Set();
const server = http.createServer((req, res) => {
    if (!req.url.startsWith('/events')) {
        res.writeHead(200, {'Content-Type': 'text/html', 'Content-Length': 20});
        res.end('<h1>hello world</h1>');
        return;
    }
    res.writeHead(200, {'Content-Type': 'text/event-stream'});
    res.write('data: welcome\n\n');
    watching.add(res);
    res.on('close', () => watching.delete(res));
});
server.keepAliveTimeout = 600000;
server.listen({port: Number(process.env.PORT), host: '127.0.0.1', backlog: 4096});
process.stdin.on('data', (bytes) => {
    for (const count of bytes)
        for (let i = 0; i < count; i++)
            for (const res of watching) res.write(event);
});
