// What must not compile, with the types of both clients.
import type { components, operations } from "../generated/openapi-typescript";
import type * as hey from "../generated/hey-api/types.gen";

type Task = components["schemas"]["TaskIn"];
type Operation = components["schemas"]["OperationIn"];
type Query = NonNullable<operations["list_tasks"]["parameters"]["query"]>;
type Results = components["schemas"]["BatchOut"]["results"];

export const task: Task = { title: "Only a title" };
export const heyTask: hey.TaskIn = { title: "Only a title" };
export const right: Operation[] = [
  { op: "create", body: { title: "New" } },
  { op: "update", id: 1, version: 2, body: { list: null } },
  { op: "move", id: 1, body: { before: 2 } },
  { op: "toggle", id: 1 },
];
export const heyRight: hey.OperationIn[] = right;

// @ts-expect-error An unknown member
export const unknown: Operation = { op: "create", body: { titel: 3 } };
// @ts-expect-error An unknown member
export const heyUnknown: hey.OperationIn = { op: "create", body: { titel: 3 } };
// @ts-expect-error A move without a task or a place
export const nowhere: Operation = { op: "move" };
// @ts-expect-error A move without a task or a place
export const heyNowhere: hey.OperationIn = { op: "move" };
// @ts-expect-error An operation that does not exist
export const archived: Operation = { op: "archive", id: 1 };
// @ts-expect-error A parameter that is null
export const cursor: Query = { cursor: null };
// @ts-expect-error A parameter that is null
export const heyCursor: hey.ListTasksData["query"] = { cursor: null };
// @ts-expect-error A sort order that does not exist
export const sorted: Query = { sort: "id" };
// @ts-expect-error No title
export const untitled: Task = {};

type Field = Exclude<components["schemas"]["TaskField"], "short">;
export type Part<F extends Field> = Pick<components["schemas"]["TaskOut"], "id" | "version" | F>;
export const titled = (part: Part<"title">): string => part.title;
// @ts-expect-error A member that was not asked for
export const described = (part: Part<"title">): string => part.description;

export function titles(results: Results): string[] {
  return results.flatMap((result) => {
    if (result.status === 200 || result.status === 201) return [result.task.title];
    if (result.status === 204) return [];
    const { problem } = result;
    return problem.code === "stale_version" ? [problem.current.title] : [];
  });
}

export function heyTitles(results: hey.BatchOut["results"]): string[] {
  return results.flatMap((result) => {
    if (result.status === 200 || result.status === 201) return [result.task.title];
    if (result.status === 204) return [];
    const { problem } = result;
    return problem.code === "stale_version" ? [problem.current.title] : [];
  });
}
