/** What we use of @preact/signals. */
export interface Signal<T> {
  value: T;
  peek(): T;
}
export function signal<T>(first: T): Signal<T>;
export function computed<T>(make: () => T): { readonly value: T; peek(): T };
export function effect(work: () => void | (() => void)): () => void;
export function batch<T>(work: () => T): T;
