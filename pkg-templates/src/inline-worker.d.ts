/** The text of worker.js, as a classic script. The build makes it. */
declare const text: string;
export default text;
