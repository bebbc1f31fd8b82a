// Requests to the service, and who is signed in.
import { API } from "./config.js";

const AUTH = "/api/auth/browser/v1";

// For writes. Each response of /api/auth/ has a new one.
let csrfToken = "";

// A response with an error. Decide by `code`; `message` is for people.
export class Problem extends Error {
  constructor(response, body) {
    // The errors of a form in /api/auth/ have a shape of their own.
    const wrong = body.errors?.map((error) => error.message ?? error.detail).join(" ");
    super(wrong || body.detail || `The service answered ${response.status}.`);
    this.status = response.status;
    this.code = body.code;
    this.body = body;
    this.retryAfter = Number(response.headers.get("Retry-After")) || 0; // seconds
  }
}

// There was no response: nobody knows whether the service has got the request.
export class Unreachable extends Error {
  message = "The service cannot be reached.";
}

export async function request(method, path, body, headers = {}) {
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-CSRFToken"] = csrfToken;
  let response, text;
  try {
    response = await fetch(API + path, {
      method,
      headers,
      body: JSON.stringify(body),
      credentials: "include", // the session cookie
      signal: AbortSignal.timeout(15_000),
    });
    text = await response.text();
  } catch {
    throw new Unreachable();
  }
  csrfToken = response.headers.get("X-CSRFToken") ?? csrfToken;
  const isJson = response.headers.get("Content-Type")?.includes("json");
  const data = isJson ? JSON.parse(text) : {};
  if (!response.ok) throw new Problem(response, data);
  return data;
}

// Who is signed in, and if nobody is, the step that is missing: "verify_email" after
// signing up, "mfa_authenticate" after the password, "password_reset_by_code" after asking for
// a new one. 401 is how /api/auth/ says that, and 409 that the step is not possible any more.
async function step(method, path, body) {
  try {
    const { data } = await request(method, AUTH + path, body);
    return { user: data.user };
  } catch (error) {
    if (error.status !== 401) throw error;
    const flows = error.body.data?.flows ?? [];
    return { user: null, missing: flows.find((flow) => flow.is_pending)?.id };
  }
}

export const session = () => step("GET", "/auth/session");
export const signUp = (email, password) => step("POST", "/auth/signup", { email, password });
export const signIn = (email, password) => step("POST", "/auth/login", { email, password });
export const verifyEmail = (key) => step("POST", "/auth/email/verify", { key });
export const secondFactor = (code) => step("POST", "/auth/2fa/authenticate", { code });
export const forgotPassword = (email) => step("POST", "/auth/password/request", { email });
export const resetPassword = (key, password) => step("POST", "/auth/password/reset", { key, password });
export const signOut = () => step("DELETE", "/auth/session");
