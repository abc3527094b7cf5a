#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Formats the same events with sse.h (format.c) and with Datastar's own SDK for JavaScript and
// compares the bytes. Run from the top: build/datastar-format is made by `make test`, the SDK comes
// from build/node.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { test } from 'node:test'

const modules = resolve(process.env.NODE_MODULES ?? 'build/node/node_modules')
const program = resolve(process.env.FORMAT ?? 'build/datastar-format')
const { ServerSentEventGenerator } =
  createRequire(resolve(modules, '_'))(
    '@starfederation/datastar-sdk/abstractServerSentEventGenerator')

class Sdk extends ServerSentEventGenerator {
  send(...args) { return super.send(...args).join('') }
  close() {}
}
const sdk = new Sdk()

// ---- ours: every case of a test in one run of the program ------------------

const SSE_E_ARG = -2, SSE_E_FIELD = -5

function ours(cases) {
  const input = []
  for (const fields of cases) {
    for (const [name, value] of Object.entries(fields)) {
      if (value === undefined) continue
      const bytes = Buffer.from(String(value))
      input.push(`${name} ${bytes.length}\n`, bytes, '\n')
    }
    input.push('.\n')
  }
  const run = spawnSync(program,
    { input: Buffer.concat(input.map(part => Buffer.from(part))), maxBuffer: 1 << 30 })
  assert.equal(run.status, 0, `${program}: ${run.error ?? run.stderr}`)
  const answers = []
  for (let at = 0; at < run.stdout.length;) {
    const eol = run.stdout.indexOf('\n', at)
    const [status, length] = run.stdout.toString('latin1', at, eol).split(' ').map(Number)
    answers.push({ status, text: run.stdout.toString('utf8', eol + 1, eol + 1 + length) })
    at = eol + 1 + length + 1
  }
  assert.equal(answers.length, cases.length, 'an answer for each case')
  return answers
}

function same(cases, theirs) {
  ours(cases).forEach(({ status, text }, i) => {
    assert.equal(status, 0, `refused: ${JSON.stringify(cases[i])}`)
    assert.equal(text, theirs(cases[i]), JSON.stringify(cases[i]))
  })
}

const refused = (cases, want) => ours(cases).forEach(({ status, text }, i) =>
  assert.deepEqual({ status, text }, { status: want, text: '' }, JSON.stringify(cases[i])))

// ---- cases, the same in every run -------------------------------------------

let state = 20260101
const below = n => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return (state >>> 8) % n
}
const pick = list => list[below(list.length)]
const maybe = make => below(2) ? make() : undefined
const many = (n, make) => Array.from({ length: n }, make)

const words = ['<div id="feed">', '</div>', '<p>', 'text', ' ', '  ', '\t', ':', 'data: x', 'id: 1',
  'é', '€', '日本語', '🐟', '\u2028', '\0',
  '\ufeff', '&amp;', '"', "'", '\\', '{"a":1}', 'elements', 'x'.repeat(300)]
const breaks = ['\n', '\n\n', '\r\n', '\r', '\n\r', '\r\r\n']
const run = list => many(below(12), () => pick(list)).join('')
const line = () => run(words.filter(word => word !== '\0'))
const someLine = () => line() + 'x'
const lf = () => run([...words, '\n', '\n', '\n\n'])
const any = () => run([...words, ...breaks, ...breaks])
const id = () => pick(['1', 'a-1', 'é', '0', '9'.repeat(40), 'x y', 'a:b'])
const retry = () => pick([1, 999, 1000, 1001, 2000, 2147483647])
const envelope = () => ({ eventId: maybe(id), retryDuration: maybe(retry) })
const solid = text => text.trim() === '' ? text + '<p>' : text // the SDK refuses blank content

// What the SDK is asked for: options in our order (it keeps the caller's), without those not given.
const given = options =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
const unbreak = text => text.replace(/\r\n?/g, '\n')

function elementsCase(text) {
  const selector = maybe(someLine)
  const mode = selector ? maybe(() =>
    pick(['outer', 'inner', 'replace', 'prepend', 'append', 'before', 'after', 'remove']))
                        : maybe(() => pick(['outer', 'replace']))
  const useViewTransition = maybe(() => true)
  return { elements: solid(text()), selector, mode,
    namespace: maybe(() => pick(['html', 'svg', 'mathml'])), useViewTransition,
    viewTransitionSelector: useViewTransition && maybe(someLine), ...envelope() }
}
const sdkElements = ({ elements, ...options }) => sdk.patchElements(elements, given(options))

// JSON may break its lines between tokens, and nowhere else
const spaced = text => text().replace(/[^\r\n]/g, ' ')
const signalsCase = text =>
  ({ signals: `{${spaced(text)}${JSON.stringify(text())}:${spaced(text)}1}${spaced(text)}`,
  onlyIfMissing: maybe(() => true), ...envelope() })
const sdkSignals = ({ signals, ...options }) => sdk.patchSignals(signals, given(options))

const attribute = () => pick(['type="module"', 'async', 'nonce="é"', 'data-a=""', 'data-b="1\n2"'])
const scriptCase = text =>
  ({ script: text(), attributes: maybe(() => many(1 + below(3), attribute).join(' ')),
  keep: maybe(() => true), ...envelope() })
const sdkScript = ({ script, attributes, keep, ...options }) =>
  sdk.executeScript(script,
    given({ ...options, attributes: attributes && [attributes], autoRemove: !keep }))

// ---- the same bytes ----------------------------------------------------------

test('2000 element patches', () => same(many(2000, () => elementsCase(lf)), sdkElements))
test('2000 signal patches', () => same(many(2000, () => signalsCase(lf)), sdkSignals))
test('1000 scripts', () => same(many(1000, () => scriptCase(lf)), sdkScript))
test('an empty script', () => same([{ script: '' }], sdkScript))
test('attributes as an object', () =>
  same([{ script: 'f()', attributes: 'type="module" async="true"' }],
    () => sdk.executeScript('f()', { attributes: { type: 'module', async: 'true' } })))
test('200 removals by selector', () =>
  same(many(200, () => ({ elements: '', selector: someLine(), mode: 'remove', ...envelope() })),
    ({ selector, eventId, retryDuration }) =>
      sdk.removeElements(selector, undefined, { eventId, retryDuration })))
test('200 removals of signals', () =>
  same(many(200, () => ({
    unset: many(1 + below(5), () => 'n' + below(9) + pick(['', 'é', '"', ' ', '🐟'])).join('\n') })),
    ({ unset }) => sdk.removeSignals(unset.split('\n'))))

// ---- where we are stricter, one test each -------------------------------------

test('stricter: CR LF and a lone CR in content start a line, as LF does', () => {
  const cases = many(3000, (_, i) => pick([elementsCase, signalsCase, scriptCase])(any))
  assert.ok(cases.filter(c => /\r(?!\n)/.test(c.elements ?? c.signals ?? c.script)).length > 1000,
    'enough of them hold a lone CR')
  same(cases, c => c.elements !== undefined ? sdkElements({ ...c, elements: unbreak(c.elements) })
    : c.signals !== undefined ? sdkSignals({ ...c, signals: unbreak(c.signals) })
      : sdkScript({ ...c, script: unbreak(c.script) }))
  assert.match(sdk.patchElements('a\rretry: 1'), /\rretry: 1/,
    'the SDK lets a lone CR begin a field')
})

test('stricter: a line break in a field of one line is refused', () => {
  for (const field of ['selector', 'namespace', 'viewTransitionSelector', 'eventId'])
    refused(breaks.map(text =>
      ({ elements: 'x', useViewTransition: true, [field]: 'a' + text + 'b' })), SSE_E_FIELD)
  assert.match(sdk.patchElements('x', { eventId: '1\nretry: 1' }), /^retry: 1$/m,
    'the SDK lets an id begin a field')
})

test('stricter: an id that could not come back in a header is refused', () => {
  refused([' x', 'x ', '\tx', 'a\x01b', 'a\x7fb'].map(eventId => ({ elements: 'x', eventId })),
    SSE_E_FIELD)
})

test('stricter: a mode that needs a selector is refused without one', () => {
  const modes = ['inner', 'prepend', 'append', 'before', 'after', 'remove']
  refused(modes.map(mode => ({ elements: '<p id="a">', mode })), SSE_E_ARG)
  for (const mode of modes) sdk.patchElements('<p id="a">', { mode })
})

test('stricter: a script that would end or hide its own element is refused', () => {
  refused(['"</script>"', '"</SCRIPT "', '"<!--"'].map(script => ({ script })), SSE_E_FIELD)
  assert.match(sdk.executeScript('"</script>"'), /"<\/script>"/)
})

test('as strict: unknown namespaces and blank signals', () => {
  refused([{ elements: 'x', namespace: 'xhtml' }, { signals: '' }], SSE_E_ARG)
  assert.throws(() => sdk.patchElements('x', { namespace: 'xhtml' }))
  assert.throws(() => sdk.patchSignals(''))
})

// ---- where we differ on purpose ------------------------------------------------

test('different: an empty id resets, an empty selector is none, blank elements are elements',
    () => {
  same([{ elements: 'x', eventId: '' }],
    () => 'event: datastar-patch-elements\nid: \ndata: elements x\n\n')
  same([{ elements: 'x', selector: '', viewTransitionSelector: '' }], () => sdk.patchElements('x'))
  same([{ elements: '' }], () => 'event: datastar-patch-elements\ndata: elements \n\n')
  assert.throws(() => sdk.patchElements(''))
})

test('different: the root of a view transition asks for the transition', () =>
  same([{ elements: 'x', viewTransitionSelector: '#a' }],
    () => sdk.patchElements('x', { useViewTransition: true, viewTransitionSelector: '#a' })))

test('different: a dot in the name of a signal to remove leads to a nested one, ' +
    'as a merge patch says it', () => {
  same([{ unset: 'user.name\nuser.age\nb' }],
    () => sdk.patchSignals('{"user":{"name":null,"age":null},"b":null}'))
  assert.match(sdk.removeSignals('user.name'), /\{"user.name":null\}/)
})
