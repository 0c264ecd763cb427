// Our CAR files, read by the IPLD libraries for JavaScript, and theirs for our reader.
//
//   node car.mjs check FILE   reads FILE and prints a summary as JSON; exit code 1 if anything is wrong with it
//   node car.mjs make DIR     writes CARs into DIR, and expected.json, which says what is in each
//
// npm install first. Nothing here is ours but the backup's format, spelled once more, from docs/car-format.md.

import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, readFileSync, writeFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'

import { CarIndexer, CarReader, CarWriter } from '@ipld/car'
import * as dagCbor from '@ipld/dag-cbor'
import * as dagJson from '@ipld/dag-json'
import * as dagPb from '@ipld/dag-pb'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { identity } from 'multiformats/hashes/identity'
import { sha256, sha512 } from 'multiformats/hashes/sha2'

const FORMAT = 'pin_mappings_car'
const KEYS = ['backend_name', 'car_file_path', 'cid', 'created_at', 'metadata', 'status']
const NODE_HASHES = { 0x11: 'sha1', 0x12: 'sha256', 0x13: 'sha512', 0x14: 'sha3-512', 0x16: 'sha3-256', 0x20: 'sha384' }
const MAX_BLOCK = 1 << 20

const wrong = (why) => {
  throw new Error(why)
}

/** true, false, or undefined for a hash that cannot be checked here. */
function matches (cid, bytes) {
  if (cid.multihash.code === identity.code) return Buffer.compare(cid.multihash.digest, bytes) === 0
  const name = NODE_HASHES[cid.multihash.code]
  return name && createHash(name).update(bytes).digest().equals(Buffer.from(cid.multihash.digest))
}

/** The value of a DAG-JSON block, which must be in its only spelling. */
function canonical (cid, bytes) {
  const value = dagJson.decode(bytes)
  if (Buffer.compare(dagJson.encode(value), bytes) !== 0) wrong(`block ${cid} is not canonical`)
  return value
}

async function check (file) {
  const bytes = readFileSync(file)
  const reader = await CarReader.fromBytes(bytes)
  const roots = await reader.getRoots()
  const found = { version: reader.version, roots: roots.map(String), blocks: 0, data_bytes: 0, largest: 0, unchecked: 0 }
  const seen = new Set()
  for await (const { cid, bytes } of reader.blocks()) {
    const matched = matches(cid, bytes)
    if (matched === false) wrong(`block ${cid} does not match its hash`)
    if (matched === undefined) found.unchecked += 1
    seen.add(String(cid))
    found.blocks += 1
    found.data_bytes += bytes.length
    found.largest = Math.max(found.largest, bytes.length)
  }
  // The second, independent way through the file.
  let indexed = 0
  for await (const entry of await CarIndexer.fromIterable(createReadStream(file))) indexed += entry.cid ? 1 : 0
  if (indexed !== found.blocks) wrong(`${indexed} blocks are indexed, ${found.blocks} read`)
  found.duplicates = found.blocks - seen.size
  found.missing_roots = roots.filter((root) => !seen.has(String(root))).map(String)
  if (roots.length === 1 && roots[0].code === dagJson.code) found.backup = await backup(reader, roots[0])
  console.log(JSON.stringify(found, null, 2))
}

/** Walks through a backup: every block in its canonical spelling, every row with its keys. */
async function backup (reader, root) {
  const found = { rows: 0, reached: 0, long_texts: 0, depth: 0, sha256: '' }
  const text = createHash('sha256')
  const get = async (cid) => {
    const block = await reader.get(cid) ?? wrong(`block ${cid} is missing`)
    if (block.bytes.length > MAX_BLOCK) wrong(`block ${cid} is too large`)
    found.reached += 1
    return canonical(cid, block.bytes)
  }
  const complete = async (value) => {
    if (!Array.isArray(value)) return value
    found.long_texts += 1
    let whole = ''
    for (const part of value) whole += await get(CID.asCID(part))
    return whole
  }
  const list = async (items, depth) => {
    found.depth = Math.max(found.depth, depth)
    for (const item of items) {
      const cid = CID.asCID(item)
      if (cid) {
        await list(await get(cid), depth + 1)
        continue
      }
      if (String(Object.keys(item)) !== String(KEYS)) wrong(`a row with the keys ${Object.keys(item)}`)
      const values = []
      for (const key of KEYS) values.push(await complete(item[key]))
      text.update(JSON.stringify(values) + '\n')
      found.rows += 1
    }
  }
  const envelope = await get(root)
  if (envelope.format !== FORMAT) return null
  if (!['1.0', '1.1'].includes(envelope.version)) wrong(`version ${envelope.version}`)
  await list(envelope.pin_mappings, 0)
  // Of the rows as JSON lists in the order of their keys, a row a line.
  found.sha256 = text.digest('hex')
  return { version: envelope.version, created_at: envelope.created_at, ...found }
}

async function block (codec, value, hasher = sha256) {
  const bytes = codec.encode(value)
  return { cid: CID.createV1(codec.code, await hasher.digest(bytes)), bytes }
}

/** A CAR with these blocks; what is expected of it. */
async function write (directory, name, roots, blocks, more = {}) {
  const { writer, out } = CarWriter.create(roots.map((root) => root.cid))
  const file = createWriteStream(join(directory, name))
  Readable.from(out).pipe(file)
  for (const each of blocks) await writer.put(each)
  await writer.close()
  await finished(file)
  return {
    version: 1,
    roots: roots.map((root) => String(root.cid)),
    blocks: blocks.map(({ cid, bytes }) => ({ cid: String(cid), length: bytes.length })),
    ...more
  }
}

/** The same file inside a CARv2, with padding and something where an index would be; the library must read it, too. */
async function wrap (directory, name, from, expected) {
  const inner = readFileSync(join(directory, from))
  const header = Buffer.alloc(40)
  const start = 51 + 13
  header.writeBigUInt64LE(BigInt(start), 16)
  header.writeBigUInt64LE(BigInt(inner.length), 24)
  header.writeBigUInt64LE(BigInt(start + inner.length), 32)
  const pragma = Buffer.from('0aa16776657273696f6e02', 'hex')
  const index = Buffer.from('8008' + '00000000', 'hex')
  const whole = Buffer.concat([pragma, header, Buffer.alloc(13), inner, index])
  writeFileSync(join(directory, name), whole)
  const reader = await CarReader.fromBytes(whole)
  if (reader.version !== 2) wrong('the library does not see a CARv2')
  return { ...expected, version: 2 }
}

const row = (index) => ({
  cid: `bafkrow${index}`,
  car_file_path: `/cars/${index}.car`,
  backend_name: 's3',
  created_at: new Date(1714557600000 + index * 1000).toISOString(),
  status: index % 3 ? 'stored' : null,
  metadata: JSON.stringify({ size_bytes: index, name: `file "${index}" \u0000 é 🦀` })
})

async function make (directory) {
  mkdirSync(directory, { recursive: true })
  const leaf = await block(raw, new TextEncoder().encode('hello\n'))
  const other = await block(raw, new Uint8Array(300_000).fill(7))
  const cbor = await block(dagCbor, { leaf: leaf.cid, list: [1, -1, null, 1.5] })
  const json = await block(dagJson, { leaf: leaf.cid, bytes: new Uint8Array([0, 255]) })
  const node = await block(dagPb, dagPb.prepare({ Links: [{ Hash: leaf.cid, Name: 'a', Tsize: 6 }] }))
  const v0 = { cid: CID.createV0(node.cid.multihash), bytes: node.bytes }
  const long = await block(raw, new TextEncoder().encode('sha2-512'), sha512)
  const inline = { cid: CID.createV1(raw.code, Digest.create(0, new Uint8Array(100).fill(1))), bytes: new Uint8Array(100).fill(1) }
  const many = []
  for (let index = 0; index < 1000; index++) many.push(await block(raw, new TextEncoder().encode(`block ${index}`)))

  const rows = Array.from({ length: 500 }, (_, index) => row(index))
  const envelope = (version, list) =>
    block(dagJson, { format: FORMAT, version, created_at: '2024-05-01T10:00:00Z', pin_mappings: list })
  const small = await envelope('1.0', rows.slice(0, 5))
  const halves = [await block(dagJson, rows.slice(0, 250)), await block(dagJson, rows.slice(250))]
  const tree = await block(dagJson, halves.map((half) => half.cid))
  const parts = [await block(dagJson, 'long '), await block(dagJson, 'text 🦀')]
  const last = await block(dagJson, [{ ...row(500), metadata: parts.map((part) => part.cid) }])
  const large = await envelope('1.1', [tree.cid, last.cid])

  const expected = {
    'mixed.car': await write(directory, 'mixed.car', [node], [leaf, other, cbor, json, node]),
    'roots.car': await write(directory, 'roots.car', many.slice(0, 50), many),
    'rootless.car': await write(directory, 'rootless.car', [], [leaf]),
    'missing-root.car': await write(directory, 'missing-root.car', [other], [leaf]),
    'duplicates.car': await write(directory, 'duplicates.car', [leaf], [leaf, leaf, leaf]),
    'v0.car': await write(directory, 'v0.car', [v0], [v0, leaf]),
    'hashes.car': await write(directory, 'hashes.car', [long], [long, inline]),
    'backup-1.0.car': await write(directory, 'backup-1.0.car', [small], [small], { rows: 5 }),
    'backup-1.1.car': await write(directory, 'backup-1.1.car', [large], [...halves, tree, ...parts, last, large], { rows: 501 })
  }
  expected['mixed-v2.car'] = await wrap(directory, 'mixed-v2.car', 'mixed.car', expected['mixed.car'])
  expected['backup-v2.car'] = await wrap(directory, 'backup-v2.car', 'backup-1.1.car', expected['backup-1.1.car'])
  writeFileSync(join(directory, 'expected.json'), JSON.stringify(expected, null, 2) + '\n')
}

const [command, place] = process.argv.slice(2)
const commands = { check, make }
if (!commands[command] || !place) {
  console.error('usage: node car.mjs check FILE | make DIR')
  process.exit(2)
}
try {
  await commands[command](place)
} catch (error) {
  console.error(`${place}: ${error.message}`)
  process.exit(1)
}
