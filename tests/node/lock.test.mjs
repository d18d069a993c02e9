// The lock that processes have on a file of the cache, and what happens to it when something goes wrong.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { lockFile } from "../../build/modules/dist/lock-file.js";
import { BLOCK, Store } from "../../build/modules/dist/store.js";
import { files } from "../../build/modules/dist/store-files.js";

const folder = mkdtempSync(path.join(tmpdir(), "plume-lock-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));
const at = path.join(folder, "file.lock");
const started = Math.round(Date.now() / 1000 - process.uptime());
const DEAD = 2 ** 22 + 1; // No system gives a process such a number.

/** A lock of somebody else, touched so many seconds ago. */
function left(owner, age) {
  writeFileSync(at, owner);
  const touched = Date.now() / 1000 - age;
  utimesSync(at, touched, touched);
}

/** Whether the lock can be had within half a second. */
async function had() {
  try {
    const release = await lockFile(at, AbortSignal.timeout(500));
    const mine = readFileSync(at, "utf8");
    await release();
    assert.match(mine, new RegExp(`^${process.pid} `));
    assert.deepEqual(readdirSync(folder), []);
    return true;
  } catch ({ name }) {
    assert.match(name, /AbortError|TimeoutError/);
    rmSync(at);
    return false;
  }
}

test("a lock that was left behind is taken, and no other", async () => {
  const me = `${process.pid} ${started} ${hostname()}`;
  for (const [owner, age, expected] of [
    ["1 0 another-host", 1, false],
    ["1 0 another-host", 3600, true],
    ["1 0 another-host", -3600, true], // By a clock that is ahead.
    [`${DEAD} 0 ${hostname()}`, 10, true],
    [`${DEAD} 0 ${hostname()}`, 1, false], // It may be that of a container which has this one's name.
    [`${process.ppid} 0 ${hostname()}`, 10, false],
    [me, 10, false], // Another thread's.
    [`${process.pid} ${started - 100} ${hostname()}`, 1, true], // Whoever had this process's number before.
    ["", 1, false],
    ["", 3600, true],
  ]) {
    left(owner, age);
    assert.equal(await had(), expected, `${owner}, ${age} s`);
  }
  assert.ok(await had());
});

test("a lock is given back whatever fails, and one that cannot be had keeps nobody out", async () => {
  const medium = await files(folder);
  const store = () => new Store(medium, (bytes) => BigInt(bytes.length));
  const file = await store().open("key", "url");
  await file.begin("1", BLOCK + 3);
  await file.write(0, new Uint8Array(BLOCK));
  const [lock] = readdirSync(folder).filter((name) => name.endsWith(".lock"));
  await file.write(1, new Uint8Array(3));
  await file.close();
  assert.ok(lock && !readdirSync(folder).includes(lock));
  // What is there in whole others may read too.
  const whole = await store().open("key", "url");
  assert.ok(!readdirSync(folder).includes(lock));
  await whole.close();
  // A core that crashed while it waited for a file.
  const [crashed, holder] = [store(), await store().open("key", "url")];
  const waiting = crashed.open("key", "url");
  crashed.close();
  await holder.close();
  await waiting;
  await (await store().open("key", "url")).close();
  // A place that cannot be removed.
  const head = path.join(folder, lock.replace(/lock$/, "head"));
  const shelf = await medium.open(lock.replace(/.lock$/, ""));
  rmSync(head);
  mkdirSync(head);
  await assert.rejects(shelf.close(true));
  assert.ok(!readdirSync(folder).includes(lock));
  rmSync(head, { recursive: true });
  await (await store().open("key", "url")).close();
  // A lock that cannot be made.
  mkdirSync(path.join(folder, lock));
  utimesSync(path.join(folder, lock), 0, 0);
  await (await store().open("key", "url")).close();
});
