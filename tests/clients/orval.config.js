export default {
  tasks: {
    input: { target: "generated/openapi.json" },
    output: { target: "generated/orval/tasks.ts", schemas: "generated/orval/model", client: "fetch", headers: true },
  },
};
