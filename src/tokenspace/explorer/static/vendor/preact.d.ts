/** What we use of preact 11; the package's own types are larger than itself. */
export function h(type: any, props: any, ...children: any[]): any;
export function render(node: any, into: Element): void;
export const Fragment: any;
