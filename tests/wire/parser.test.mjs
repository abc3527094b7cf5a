#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// The event parser that all stream tests trust.
import assert from 'node:assert/strict'
import { EventParser, test } from './wire.mjs'

function parse(text, size = text.length) {
  const events = []
  const parser = new EventParser(event => events.push(event))
  for (let i = 0; i < text.length; i += size) parser.push(text.slice(i, i + size))
  return { events, parser }
}

test('lines end in LF, CR LF or CR, however they are cut', () => {
  const text = '\uFEFFid: 7\r\ndata: a\rdata:b\ndata:  c\r\n\r\n: no\nevent: e\nretry: 12\n' +
    'retry: 1x\ndata\n\nid: 8\nevent: lost\n\ndata: open'
  for (let size = 1; size <= text.length; size++) {
    const { events, parser } = parse(text, size)
    assert.deepEqual(events, [{ event: 'message', data: 'a\nb\n c', id: '7' },
      { event: 'e', data: '', id: '7' }], `cut every ${size}`)
    assert.equal(parser.lastEventId, '8')
    assert.equal(parser.retry, 12)
  }
})

test('an id with NUL is ignored, an empty one resets', () => {
  const { events } = parse('id: 1\ndata: x\n\nid: 2\0\ndata: y\n\nid\ndata: z\n\n')
  assert.deepEqual(events.map(event => event.id), ['1', '1', ''])
})
