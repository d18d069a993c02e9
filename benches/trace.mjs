// The tasks of a page's main thread, from Chromium's own trace.

/**
 * The tasks while `work` is done, each with its time and its processor's time, in milliseconds. The thread is the one that runs a
 * function of a script whose name ends so: Chromium's own parts have renderers, too.
 */
export async function mainThreadTasks(browser, script, work) {
  const tracer = await browser.newBrowserCDPSession();
  const events = [];
  tracer.on("Tracing.dataCollected", ({ value }) => events.push(...value));
  await tracer.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories: ["toplevel", "devtools.timeline", "__metadata"] },
  });
  await work();
  const complete = new Promise((resolve) => tracer.once("Tracing.tracingComplete", resolve));
  await tracer.send("Tracing.end");
  await complete;
  const { tid, pid } = events.find(({ name, args }) => name === "FunctionCall" && args.data?.url?.endsWith(script));
  return events
    .filter((event) => /RunTask$/.test(event.name) && event.tid === tid && event.pid === pid && event.dur)
    .map(({ dur, tdur = dur }) => ({ ms: dur / 1000, cpu_ms: tdur / 1000 }));
}

/** The longest of them, by the clock and by the processor's time. */
export function longest(tasks) {
  const most = (name) => tasks.reduce((most, task) => Math.max(most, task[name]), 0);
  return { longest_ms: most("ms"), longest_cpu_ms: most("cpu_ms") };
}
