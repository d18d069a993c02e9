// A lock between processes: a file that whoever holds it touches from time to time.
import { rm, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";

/** Milliseconds after which a lock that somebody has is looked at again. */
const POLL = 200;
/** Milliseconds after which whoever has a lock touches it again. */
const TOUCHED = 2_000;
/** Milliseconds after which a lock that nobody has touched is nobody's. */
const STALE = 60_000;

/**
 * Waits until no other process has this lock. Gives what lets the next one have it. Two may have it after one of them was stopped
 * for long, or where both find at the same moment that it was left behind: it spares work, and nothing may depend on it.
 */
export async function lockFile(file: string, signal?: AbortSignal): Promise<() => Promise<void>> {
  const owner = `${process.pid} ${started()} ${hostname()}`;
  while (!(await make(file, owner))) {
    if (await isLeftBehind(file)) await rm(file, { force: true });
    else await pause(POLL, undefined, signal && { signal });
  }
  const touch = () => utimes(file, new Date(), new Date()).catch(() => {}); // Somebody may have taken it away.
  const timer = setInterval(() => void touch(), TOUCHED);
  timer.unref();
  return async () => {
    clearInterval(timer);
    // Not that of another. What cannot be removed is found to be left behind.
    if ((await ownerOf(file)) === owner) await rm(file, { force: true }).catch(() => {});
  };
}

/** When this process began, in seconds: another one may have its number later. */
const started = () => Math.round(Date.now() / 1000 - process.uptime());

async function make(file: string, owner: string): Promise<boolean> {
  try {
    await writeFile(file, owner, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    await rm(file, { force: true }).catch(() => {}); // A full disk leaves it empty.
    throw error;
  }
}

const ownerOf = (file: string) => readFile(file, "utf8").catch(() => undefined);

async function isLeftBehind(file: string): Promise<boolean> {
  let touched;
  try {
    touched = (await stat(file)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false; // It has just been given back.
    throw error;
  }
  // Also by a clock that runs ahead of this one.
  const age = Math.abs(Date.now() - touched);
  if (age > STALE) return true;
  const [pid, start, host] = (await ownerOf(file))?.split(" ") ?? [];
  if (host !== hostname()) return false;
  if (Number(pid) === process.pid) return Math.abs(Number(start) - started()) > 2;
  // Of another container that has this one's name no process is seen here, but it touches its lock.
  return age > 2 * TOUCHED && !isAlive(Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
