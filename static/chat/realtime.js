/** The client module by its address on this server; as a package it is the folder `realtime`. */

export * from "./realtime/index.js";
