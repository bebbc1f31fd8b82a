// The address of the service. With Lax cookies, the default, it must be on the same site as
// this page: localhost and 127.0.0.1 are two sites.
export const API = "http://localhost:8000";

// Where GET /api/changes/stream stays open: PUSH_PORT, or the address above where a proxy passes
// the path there (deploy/). Without one, the page polls.
export const PUSH = "http://localhost:8001";
