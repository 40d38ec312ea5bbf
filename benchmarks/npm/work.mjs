// The tool that every peer is asked for, as `benchmarks/work.py` has it; what it says comes in the environment.
import { z } from "zod";

const { TOOL, DESCRIPTION, FILLING } = process.env;
export const port = Number(process.argv[process.argv.indexOf("--port") + 1]);

export function addTool(server) {
  server.registerTool(TOOL, { description: DESCRIPTION, inputSchema: z.object({ message: z.string() }) }, ({ message }) => ({
    content: [{ type: "text", text: `${message}: ${FILLING}` }],
  }));
}
