// What tests/bench/peers.c asks of a server of streams, by better-sse on node's http: /events with
// as many events of 1 KB for all as a byte on standard input says.
import http from 'node:http';
import {createRequire} from 'node:module';

const require = createRequire(`${process.cwd()}/build/bench/node/`);
const {createChannel, createSession} = require('better-sse');
const channel = createChannel();
const server = http.createServer(async (req, res) => {
    const session = await createSession(req, res, {keepAlive: null, retry: null});
    session.push('welcome');
    channel.register(session);
});
server.listen({port: Number(process.env.PORT), host: '127.0.0.1', backlog: 4096});
process.stdin.on('data', (bytes) => {
    for (const count of bytes)
        for (let i = 0; i < count; i++) channel.broadcast('0'.repeat(1000));
});
