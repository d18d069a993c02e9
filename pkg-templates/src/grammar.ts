// What keeps replies to schemas and grammars: a module of its own, loaded when it is first asked for.
import type { Cores, PlumeEngine } from "./cores.js";
import { PlumeError } from "./errors.js";
import type { Grammar, GrammarTokens } from "./wasm/plume-grammar.js";

/** What a reply is to keep to: a JSON schema, as JSON, or a grammar in Lark's notation. */
export type Format = { schema: string } | { lark: string };

/** The generated bindings of that module. */
export type GrammarBindings = Pick<typeof import("./wasm/plume-grammar.js"), "GrammarTokens">;

/** What one reply keeps to, as the core asks it. */
export class Kept {
  constructor(
    private readonly grammar: Grammar,
    private readonly guard: <T>(task: () => T) => T,
  ) {}

  allowed(): Uint32Array {
    return this.guard(() => this.grammar.allowed());
  }

  accept(token: number): boolean {
    return this.guard(() => this.grammar.accept(token));
  }

  free(): void {
    this.guard(() => this.grammar.free());
  }
}

/** The formats of one model's replies. */
export class Formats {
  private tokens: { of: GrammarBindings; tokens: GrammarTokens } | undefined;

  constructor(
    private readonly cores: Cores,
    private readonly engine: PlumeEngine,
  ) {}

  /** Begins to keep to a format, by bindings that {@link Cores.grammar} gave. */
  keep(bindings: GrammarBindings, format: Format): Kept {
    const guard = <T>(task: () => T): T => {
      try {
        return task();
      } catch (thrown) {
        // The next one gets another instance.
        if (thrown instanceof WebAssembly.RuntimeError) this.cores.forgetGrammar(bindings);
        throw new PlumeError("invalid_request", `response_format: ${(thrown as Error).message}`, { cause: thrown });
      }
    };
    if (this.tokens?.of !== bindings) {
      const stop = this.engine.stopToken();
      if (stop === undefined)
        throw new PlumeError("tokenizer", "response_format needs a token that ends a reply, and this model has none");
      const tokens = guard(() => new bindings.GrammarTokens(this.engine.vocabulary(), stop));
      this.tokens = { of: bindings, tokens };
    }
    const { tokens } = this.tokens;
    return new Kept(
      guard(() => ("schema" in format ? tokens.schema(format.schema) : tokens.lark(format.lark))),
      guard,
    );
  }

  free(): void {
    this.tokens?.tokens.free();
    this.tokens = undefined;
  }
}
