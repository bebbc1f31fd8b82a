// Tasks with Fastify and pg, as their documentation teaches it: the plugin
// @fastify/postgres with its pool, schemas for what comes in and goes out ("Validation and
// Serialization"), and Node's cluster for a process per core.

import cluster from 'node:cluster'
import Fastify from 'fastify'
import postgres from '@fastify/postgres'

const { DATABASE_URL, PORT, WORKERS, OWNER } = process.env // OWNER: whose tasks these are

const text = { type: 'string' }
const time = { type: 'string', format: 'date-time' }
const fields = {
  title: { type: 'string', minLength: 1, maxLength: 200 },
  description: { type: 'string', maxLength: 10000 },
  completed: { type: 'boolean' }
}
const task = {
  type: 'object',
  properties: {
    id: { type: 'integer' },
    title: text,
    description: text,
    completed: { type: 'boolean' },
    completed_at: { ...time, nullable: true },
    created_at: time,
    updated_at: time,
    version: { type: 'integer' }
  }
}
const page = { type: 'object', properties: { items: { type: 'array', items: task } } }
const params = { type: 'object', properties: { id: { type: 'integer' } } }
const filters = {
  type: 'object',
  properties: {
    completed: { type: 'boolean' },
    limit: { type: 'integer', minimum: 1, maximum: 100, default: 50 }
  }
}
const columns =
  'id, title, description, completed, completed_at, created_at, updated_at, version'

function build () {
  const fastify = Fastify()
  fastify.register(postgres, { connectionString: DATABASE_URL })

  const one = async (reply, statement, values) => {
    const { rows } = await fastify.pg.query(statement, values)
    if (rows.length === 0) return reply.code(404).send({ message: 'Task not found' })
    return rows[0]
  }

  fastify.get(
    '/api/tasks',
    { schema: { querystring: filters, response: { 200: page } } },
    async (request) => {
      const { completed, limit } = request.query
      const { rows } = completed === undefined
        ? await fastify.pg.query(
          `SELECT ${columns} FROM task WHERE owner = $1 ORDER BY id DESC LIMIT $2`,
          [OWNER, limit]
        )
        : await fastify.pg.query(
          `SELECT ${columns} FROM task WHERE owner = $1 AND completed = $2
           ORDER BY id DESC LIMIT $3`,
          [OWNER, completed, limit]
        )
      return { items: rows }
    }
  )

  fastify.post(
    '/api/tasks',
    {
      schema: {
        body: { type: 'object', required: ['title'], properties: fields },
        response: { 201: task }
      }
    },
    async (request, reply) => {
      const { title, description = '', completed = false } = request.body
      reply.code(201)
      return one(
        reply,
        `INSERT INTO task (title, description, completed, completed_at, owner)
         VALUES ($1, $2, $3, CASE WHEN $3 THEN now() END, $4) RETURNING ${columns}`,
        [title, description, completed, OWNER]
      )
    }
  )

  fastify.get(
    '/api/tasks/:id',
    { schema: { params, response: { 200: task } } },
    async (request, reply) =>
      one(reply, `SELECT ${columns} FROM task WHERE id = $1`, [request.params.id])
  )

  fastify.patch(
    '/api/tasks/:id',
    {
      schema: { params, body: { type: 'object', properties: fields }, response: { 200: task } }
    },
    async (request, reply) => {
      const { title, description, completed } = request.body
      return one(
        reply,
        `UPDATE task SET title = coalesce($2, title),
           description = coalesce($3, description),
           completed = coalesce($4, completed),
           completed_at = CASE WHEN $4 THEN coalesce(completed_at, now())
             WHEN $4 IS NULL THEN completed_at END,
           updated_at = now(), version = version + 1
         WHERE id = $1 RETURNING ${columns}`,
        [request.params.id, title, description, completed]
      )
    }
  )

  fastify.post(
    '/api/tasks/:id/toggle',
    { schema: { params, response: { 200: task } } },
    async (request, reply) =>
      one(
        reply,
        `UPDATE task SET completed = NOT completed,
           completed_at = CASE WHEN completed THEN NULL ELSE now() END,
           updated_at = now(), version = version + 1
         WHERE id = $1 RETURNING ${columns}`,
        [request.params.id]
      )
  )

  return fastify
}

if (cluster.isPrimary) {
  for (let worker = 0; worker < Number(WORKERS); worker++) cluster.fork()
  process.on('SIGTERM', () => cluster.disconnect(() => process.exit()))
} else {
  const fastify = build()
  process.on('SIGTERM', () => fastify.close())
  await fastify.listen({ port: Number(PORT), host: '127.0.0.1' })
}
