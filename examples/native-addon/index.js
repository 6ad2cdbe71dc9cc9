"use strict";

const { createServer } = require("node:http");
const Database = require("better-sqlite3");

const port = Number(process.env.PORT || 8080);
const database = new Database(process.env.DATABASE || ":memory:");
database.exec("create table visits (id integer primary key, at text not null)");
const insert = database.prepare("insert into visits (at) values (?)");
const count = database.prepare("select count(*) as visits, sqlite_version() as sqlite from visits");

createServer((_request, response) => {
  insert.run(new Date().toISOString());
  response.setHeader("content-type", "application/json");
  response.end(`${JSON.stringify(count.get())}\n`);
}).listen(port, "0.0.0.0", () => console.log(`listening on port ${port}`));
