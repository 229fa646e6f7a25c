/** The client module, by the address that other pages import it from; the package is the folder `realtime`. */

export * from "./realtime/index.js";
