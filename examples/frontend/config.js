// The address of the service. With Lax cookies, the default, it must be on the same site as
// this page: localhost and 127.0.0.1 are two sites.
export const API = "http://localhost:8000";
